"""vNIC profiles: /vnicprofiles."""

from __future__ import annotations

from typing import Any

from lab.errors import LabError
from lab.ovirt.kinds.base import removed, said
from lab.ovirt.kinds.networks import network_key
from lab.ovirt.model import VnicProfile
from lab.ovirt.plan import Seen, Step
from lab.ovirt.sdk import text, types
from lab.ovirt.state import State


class VnicProfiles:
    """How VMs are plugged in. The engine makes one for each new network by itself, of the network's name."""

    def observe(self, state: State) -> dict[str, Seen]:
        """By data center, network and name."""
        return {
            f"{network_key(state, item.network)}/{item.name}": Seen(
                item.id, {"port_mirroring": bool(item.port_mirroring), "description": text(item.description)}
            )
            for item in state.objects("vnic_profiles")
        }

    def create(self, state: State, thing: VnicProfile) -> None:
        """One request."""
        network = f"{thing.data_center}/{thing.network}"
        found = [item.id for item in state.objects("networks") if network_key(state, item) == network]
        if not found:
            raise LabError(f"{state.engine.login.url}: {thing.ref}: network {network} is not there; fix: make it first")
        request = self.request(thing)
        request.network = types().Network(id=found[0])
        state.engine.tell(said(thing, "create"), lambda: state.service("vnic_profiles").add(request))

    def update(self, state: State, thing: VnicProfile, seen: Seen, step: Step) -> None:
        """One request."""
        service = state.service("vnic_profiles").profile_service(seen.id)
        state.engine.tell(said(thing, "change"), lambda: service.update(self.request(thing)))

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """Refused by the engine while a VM uses it."""
        removed(state, f"vnic profile {key}", state.service("vnic_profiles").profile_service(seen.id))

    def request(self, thing: VnicProfile) -> Any:
        """What the engine is told."""
        return types().VnicProfile(name=thing.name, description=thing.description, port_mirroring=thing.port_mirroring)


def profile_id(state: State, center: str, plugged: str, what: str) -> str:
    """The id of `network/profile` in a data center.

    Raises LabError naming those that are there.
    """
    found = {f"{network_key(state, item.network)}/{item.name}": item.id for item in state.objects("vnic_profiles")}
    if f"{center}/{plugged}" not in found:
        there = ", ".join(sorted(found)) or "none"
        raise LabError(f"{state.engine.login.url}: {what}: vnic profile {center}/{plugged} is not there; fix: use one of {there}")
    return str(found[f"{center}/{plugged}"])

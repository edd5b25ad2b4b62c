"""Logical networks: /networks, and /clusters/ID/networks for where they are."""

from __future__ import annotations

from typing import Any

from lab.ovirt.kinds.base import removed, said
from lab.ovirt.model import Network
from lab.ovirt.plan import Seen, Step
from lab.ovirt.sdk import ident, text, types, word
from lab.ovirt.state import State

STANDARD_MTU = 1500


class Networks:
    """Logical networks of data centers."""

    def observe(self, state: State) -> dict[str, Seen]:
        """By data center and name."""
        attached: dict[str, dict[str, str]] = {}
        for cluster in state.objects("clusters"):
            for network in cluster.networks or ():
                attached.setdefault(network.id, {})[cluster.name] = "required" if network.required else "optional"
        found = {}
        for item in state.objects("networks"):
            center = state.name("data_centers", item.data_center)
            found[f"{center}/{item.name}"] = Seen(item.id, network_values(item) | {"clusters": attached.get(item.id, {})})
        return found

    def create(self, state: State, thing: Network) -> None:
        """The network, then its clusters: a killed run is continued by the update of what is there."""
        request = self.request(thing)
        request.data_center = types().DataCenter(id=state.id("data_centers", thing.data_center, said(thing, "create")))
        made = state.engine.tell(said(thing, "create"), lambda: state.service("networks").add(request))
        self.attach(state, thing, made.id, {})

    def update(self, state: State, thing: Network, seen: Seen, step: Step) -> None:
        """What differs: the network itself, or its clusters."""
        if set(step.changes) - {"clusters"}:
            request = self.request(thing)
            # A VLAN without a number is how the engine is told to take the tag away.
            request.vlan = request.vlan or types().Vlan()
            state.engine.tell(said(thing, "change"), lambda: state.service("networks").network_service(seen.id).update(request))
        self.attach(state, thing, seen.id, seen.values["clusters"])

    def attach(self, state: State, thing: Network, ident_: str, before: dict[str, str]) -> None:
        """Puts it into the clusters, and says whether hypervisors must have it to be operational."""
        for cluster, need in thing.wanted()["clusters"].items():
            networks = state.service("clusters").cluster_service(state.id("clusters", cluster, said(thing, "attach"))).networks_service()
            request = types().Network(id=ident_, required=need == "required")
            if cluster not in before:
                state.engine.tell(said(thing, f"into cluster {cluster}"), lambda: networks.add(request))  # noqa: B023 - called at once
            elif before[cluster] != need:
                service = networks.network_service(ident_)
                state.engine.tell(said(thing, f"{need} in cluster {cluster}"), lambda: service.update(request))  # noqa: B023

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """Refused by the engine while VMs or hypervisors use it."""
        removed(state, f"network {key}", state.service("networks").network_service(seen.id))

    def request(self, thing: Network) -> Any:
        """What the engine is told; no usage at all is what makes it a network without VMs."""
        usages = [types().NetworkUsage.VM] if thing.vm_network else []
        request = types().Network(name=thing.name, description=thing.description, mtu=thing.mtu, usages=usages)
        request.vlan = types().Vlan(id=thing.vlan) if thing.vlan else None
        return request


def network_values(item: Any) -> dict[str, Any]:
    """An MTU of 0 is how the engine writes its default."""
    return {
        "vlan": item.vlan.id if item.vlan else None,
        "mtu": item.mtu or STANDARD_MTU,
        "vm_network": "vm" in [word(usage) for usage in item.usages or ()],
        "description": text(item.description),
    }


def network_key(state: State, link: Any) -> str:
    """`data center/network` of a link to a network; empty where there is none."""
    wanted = ident(link)
    for item in state.objects("networks"):
        if item.id == wanted:
            return f"{state.name('data_centers', item.data_center)}/{item.name}"
    return ""

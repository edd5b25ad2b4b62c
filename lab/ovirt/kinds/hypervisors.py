"""Hypervisors: /hosts, with activate and deactivate."""

from __future__ import annotations

from typing import Any

from lab.errors import InputError
from lab.ovirt.kinds.base import removed, said
from lab.ovirt.model import Hypervisor
from lab.ovirt.plan import Seen, Step
from lab.ovirt.sdk import types, word
from lab.ovirt.state import State

INSTALL_SECONDS = 1800  # the engine installs packages on it
EVACUATE_SECONDS = 1200  # running VMs move away first
# Statuses from which nothing gets better by waiting, and what to do then.
BROKEN = {
    "non_responsive": "the engine cannot reach VDSM there: look at its power, network and port 54321, then `systemctl status vdsmd` on it",
    "non_operational": "a required network or the storage is missing on it: attach the network to an interface, or check the export",
    "install_failed": "read /var/log/ovirt-engine/host-deploy on the engine, mend it, then remove the hypervisor and run this again",
    "error": "a VM could not be run there repeatedly: mend the cause, then activate it",
    "down": "it is switched off: switch it on",
    "kdumping": "its kernel crashed and is being dumped: wait, then look into /var/crash there",
}
WANTED_STATUS = {"up": "up", "maintenance": "maintenance"}


class Hypervisors:
    """Machines that run VMs."""

    def observe(self, state: State) -> dict[str, Seen]:
        """By name; a status that is neither up nor maintenance is a state of its own, so that a plan shows it."""
        return {item.name: Seen(item.id, hypervisor_values(state, item)) for item in state.objects("hosts")}

    def create(self, state: State, thing: Hypervisor) -> None:
        """Adds it, which installs it, and waits until it is as wanted."""
        if thing.password is None:
            raise InputError(
                f"{thing.ref}: cannot be added without its root password, which the engine installs it with; fix: give password"
            )
        request = types().Host(
            name=thing.name,
            address=thing.address,
            cluster=types().Cluster(id=state.id("clusters", thing.cluster, said(thing, "add"))),
            root_password=thing.password.get_secret_value(),
        )
        made = state.engine.tell(said(thing, "add"), lambda: state.service("hosts").add(request, activate=thing.state == "up"))
        self.settle(state, thing.name, made.id, thing.state, INSTALL_SECONDS)

    def update(self, state: State, thing: Hypervisor, seen: Seen, step: Step) -> None:
        """Into maintenance, or back up; one that is on its way is only waited for."""
        service, status = state.service("hosts").host_service(seen.id), seen.values["state"]
        if thing.state == "maintenance" and status != "preparing_for_maintenance":
            state.engine.tell(said(thing, "into maintenance"), service.deactivate)
        elif thing.state == "up" and status in ("maintenance", "preparing_for_maintenance", "error", *BROKEN):
            state.engine.tell(said(thing, "activate"), service.activate)
        self.settle(state, thing.name, seen.id, thing.state, EVACUATE_SECONDS)

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """Maintenance first: the engine refuses otherwise."""
        service = state.service("hosts").host_service(seen.id)
        if seen.values["state"] not in ("maintenance", "install_failed"):
            state.engine.tell(f"hypervisor {key}: into maintenance", service.deactivate)
            self.settle(state, key, seen.id, "maintenance", EVACUATE_SECONDS)
        removed(state, f"hypervisor {key}", service)

    def settle(self, state: State, name: str, ident: str, wanted: str, limit_seconds: float) -> None:
        """Waits until it is up or in maintenance; one that broke is explained and not waited for."""
        service = state.service("hosts").host_service(ident)
        grace = iter(range(GRACE_LOOKS))

        def failed(status: str) -> bool:
            # A hypervisor that was just told to come up is still shown as it was before, for a look or two.
            return status in BROKEN and next(grace, None) is None

        state.engine.wait(
            f"hypervisor {name} is {wanted}",
            lambda: word(service.get().status),
            lambda status: status == WANTED_STATUS[wanted],
            limit_seconds,
            failed,
            lambda status: BROKEN.get(status, ""),
        )


GRACE_LOOKS = 6


def hypervisor_values(state: State, item: Any) -> dict[str, Any]:
    """In the words of the model."""
    return {"address": item.address, "cluster": state.name("clusters", item.cluster), "state": word(item.status)}

"""Affinity groups: /clusters/ID/affinitygroups."""

from __future__ import annotations

from typing import Any

from lab.ovirt.kinds.base import removed, said
from lab.ovirt.model_vms import AffinityGroup
from lab.ovirt.plan import Seen, Step
from lab.ovirt.sdk import ident, text, types
from lab.ovirt.state import State


class AffinityGroups:
    """VMs that belong on one hypervisor, or on different ones. Whether they really are is what `placement` looks at."""

    def observe(self, state: State) -> dict[str, Seen]:
        """By cluster and name. A group may have VMs that are out of our sight; those are shown by id, and leave when it is written."""
        found = {}
        for cluster in state.objects("clusters"):
            for item in cluster.affinity_groups or ():
                names = sorted(state.name("vms", vm) or ident(vm) for vm in item.vms or ())
                found[f"{cluster.name}/{item.name}"] = Seen(item.id, group_values(item) | {"vms": names}, {"cluster": cluster.id})
        return found

    def create(self, state: State, thing: AffinityGroup) -> None:
        """The rule, then its members: a killed run is continued by the update of what is there."""
        cluster = state.id("clusters", thing.cluster, said(thing, "create"))
        groups = state.service("clusters").cluster_service(cluster).affinity_groups_service()
        made = state.engine.tell(said(thing, "create"), lambda: groups.add(request(thing)))
        self.members(state, thing, groups.group_service(made.id), [])

    def update(self, state: State, thing: AffinityGroup, seen: Seen, step: Step) -> None:
        """The rule where it differs, then members in and out."""
        groups = state.service("clusters").cluster_service(seen.notes["cluster"]).affinity_groups_service()
        service = groups.group_service(seen.id)
        if set(step.changes) - {"vms"}:
            state.engine.tell(said(thing, "change"), lambda: service.update(request(thing)))
        self.members(state, thing, service, seen.values["vms"])

    def members(self, state: State, thing: AffinityGroup, service: Any, before: list[str]) -> None:
        """One request per VM that comes or goes; the engine takes them one at a time."""
        vms = service.vms_service()
        for name in sorted(set(thing.vms) - set(before)):
            vm = types().Vm(id=state.id("vms", name, said(thing, "members")))
            state.engine.tell(said(thing, f"add vm {name}"), lambda: vms.add(vm))  # noqa: B023 - called at once
        for name in sorted(set(before) - set(thing.vms)):
            gone = next((str(vm.id) for vm in state.objects("vms") if vm.name == name), name)
            state.engine.tell(said(thing, f"remove vm {name}"), lambda: vms.vm_service(gone).remove())  # noqa: B023

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """The VMs stay."""
        groups = state.service("clusters").cluster_service(seen.notes["cluster"]).affinity_groups_service()
        removed(state, f"affinity group {key}", groups.group_service(seen.id))


def request(thing: AffinityGroup) -> Any:
    """The rule as the engine is told; hypervisors are not part of it."""
    rule = types().AffinityRule(enabled=True, positive=thing.rule == "together", enforcing=thing.enforcing)
    return types().AffinityGroup(name=thing.name, description=thing.description, vms_rule=rule)


def group_values(item: Any) -> dict[str, Any]:
    """In the words of the model; a switched-off rule is no rule."""
    rule = item.vms_rule
    if rule is None or rule.enabled is False:
        return {"rule": None, "enforcing": None, "description": text(item.description)}
    return {
        "rule": "together" if rule.positive else "apart",
        "enforcing": bool(rule.enforcing),
        "description": text(item.description),
    }

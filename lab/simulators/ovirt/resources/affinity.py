"""Affinity groups: which machines are to run together or apart, and on which hypervisors."""

from __future__ import annotations

from typing import Any, ClassVar

from lab.simulators.ovirt import scheduler
from lab.simulators.ovirt.collection import Collection, merged
from lab.simulators.ovirt.engine import Call
from lab.simulators.ovirt.errors import conflict, entity_not_found, not_simulated, refused
from lab.simulators.ovirt.events import Code
from lab.simulators.ovirt.store import Body

BY = "(User: admin@internal-authz)"
RULE = {"enabled": False, "enforcing": False, "positive": False}


class _Members(Collection):
    """Members by reference; they are added with their id, and are what they are elsewhere."""

    element: ClassVar[str]
    methods = frozenset({"list", "get", "add", "remove"})

    def all(self, call: Call) -> list[Body]:
        """In the order they were added."""
        found = [call.store.get(self.kind, id) for id in call.parent[self.element]]
        return [{"id": each["id"], "name": each["name"]} for each in found if each]

    def find(self, call: Call, id: str) -> Body | None:
        """One of them."""
        return next((each for each in self.all(call) if each["id"] == id), None)

    def add(self, call: Call, body: Body) -> Body:
        """One more."""
        ids = _ids(call, self.kind, [body], call.parents[0])
        group = call.parent
        if ids[0] in group[self.element]:
            raise conflict("Cannot edit Affinity Group. The entity is already a member.")
        _save(call, group | {self.element: group[self.element] + ids})
        found = call.need(self.kind, ids[0])
        return {"id": found["id"], "name": found["name"]}

    def remove(self, call: Call, raw: Body, body: Body) -> None:
        """One less."""
        group = call.parent
        _save(call, group | {self.element: [id for id in group[self.element] if id != raw["id"]]})


class GroupVms(_Members):
    """Machines of a group."""

    kind = "vm"
    type_name = "Vm"
    rel = "vms"
    element = "_vms"


class GroupHosts(_Members):
    """Hypervisors of a group."""

    kind = "host"
    type_name = "Host"
    rel = "hosts"
    element = "_hosts"


class AffinityGroups(Collection):
    """The groups of one cluster."""

    kind = "affinity_group"
    type_name = "AffinityGroup"
    rel = "affinitygroups"
    title = "AffinityGroup"
    stored = frozenset({"name", "description", "comment", "priority", "positive", "enforcing", "vms_rule", "hosts_rule", "vms", "hosts"})
    ignored = frozenset({"cluster", "broken"})
    required = ("name",)
    unique_name = "Cannot {action} Affinity Group. Affinity Group name already exists."
    children: ClassVar = {"hosts": GroupHosts(), "vms": GroupVms()}
    empty = ("hostlabels", "vmlabels")

    def view(self, call: Call, raw: Body) -> Body:
        """With its members, and whether what runs keeps to it."""
        shown = {name: value for name, value in raw.items() if not name.startswith("_")}
        shown |= {"enforcing": raw["vms_rule"]["enforcing"], "positive": raw["vms_rule"]["positive"]}
        shown |= {"vms": [{"id": id} for id in raw["_vms"]], "hosts": [{"id": id} for id in raw["_hosts"]]}
        return shown | {"host_labels": [], "vm_labels": [], "broken": scheduler.is_broken(call, raw)}

    def accept(self, call: Call, body: Body, raw: Body | None) -> Body:
        """The old elements mean the rule for machines; labels have to be none."""
        for name in ("host_labels", "vm_labels"):
            if body.get(name):
                raise not_simulated(f"element {name!r} of 'affinity_group'")
        kept = super().accept(call, {name: value for name, value in body.items() if name not in ("host_labels", "vm_labels")}, raw)
        old: Body = raw or {"vms_rule": RULE, "hosts_rule": RULE}
        rule = {name: kept.pop(name) for name in ("positive", "enforcing") if name in kept}
        if rule and "vms_rule" not in kept:
            kept["vms_rule"] = {"enabled": True} | rule
        for name in ("vms_rule", "hosts_rule"):
            kept[name] = merged(old[name], kept.get(name, {}))
        for element, kind in (("vms", "vm"), ("hosts", "host")):
            if element in kept:
                kept[f"_{element}"] = _ids(call, kind, kept.pop(element), call.parents[0])
        return kept

    def create(self, call: Call, body: Body) -> Body:
        """In the cluster of the address."""
        defaults = {"description": "", "priority": 1.0, "_vms": [], "_hosts": [], "cluster": {"id": call.parent["id"]}}
        raw = super().create(call, defaults | body)
        call.event(Code.AFFINITY_ADDED, f"Affinity Group {raw['name']} was added. {BY}", cluster=call.parent["id"])
        return raw

    def change(self, call: Call, raw: Body, body: Body) -> Body:
        """With an event."""
        call.event(Code.AFFINITY_UPDATED, f"Affinity Group {raw['name']} was updated. {BY}", cluster=call.parent["id"])
        return super().change(call, raw, body)

    def remove(self, call: Call, raw: Body, body: Body) -> None:
        """With an event."""
        super().remove(call, raw, body)
        call.event(Code.AFFINITY_REMOVED, f"Affinity Group {raw['name']} was removed. {BY}", cluster=call.parent["id"])


def _save(call: Call, group: Body) -> None:
    call.store.save("affinity_group", group, group["cluster"]["id"])


def _ids(call: Call, kind: str, named: list[Any], cluster: Body) -> list[str]:
    found = []
    for each in named:
        match = next((one for one in call.store.all(kind) if _is(one, each)), None)
        if match is None:
            raise entity_not_found(kind.title(), f"id={each['id']}" if each.get("id") else f"name={each.get('name', '')}")
        if match["cluster"]["id"] != cluster["id"]:
            raise refused("Cannot add Affinity Group. One of the entities is not in the cluster of the affinity group.")
        found.append(str(match["id"]))
    return found


def _is(found: Body, named: Body) -> bool:
    return bool(named) and named.get("id") in (None, found["id"]) and named.get("name") in (None, found["name"])

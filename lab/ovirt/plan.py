"""What would have to happen, over a whole wanted model: pure, so that it is the same with and without an engine.

Things that do not exist yet count as there once the step that makes them is in the plan, so a plan is right on an empty engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lab.ovirt.model_vms import Template, Vm
from lab.ovirt.thing import Ref, Thing
from lab.things import plan as things_plan
from lab.things.plan import Rules, compare
from lab.things.thing import Found, Seen, Step

__all__ = ["Found", "Seen", "Step", "compare", "plan"]

# What the engine cannot change on a thing that exists; everything else is updated in place.
FIXED: Mapping[str, tuple[str, ...]] = {
    "cluster": ("data_center",),
    "hypervisor": ("cluster", "address"),
    "storage_domain": ("data_center", "address", "path", "type"),
    "template": ("cluster",),
    "vm": ("cluster", "template", "hostname", "addresses"),
}


def plan(things: Iterable[Thing], found: Found, *, alone: bool = False, where: str = "the engine") -> list[Step]:
    """Every step in the order in which it can be done; `alone` is for one thing in check mode (see lab.things.plan).

    Raises LabError with everything that stands in the way.
    """
    wanted = {thing.ref: thing for thing in things}
    whole = Whole(found, wanted)

    def problems_of(thing: Thing, seen: Seen | None) -> list[str]:
        return PROBLEMS.get(thing.kind, nothing_wrong)(thing, seen, whole)

    return things_plan.plan(wanted.values(), found, Rules("the engine", FIXED), alone=alone, where=where, problems_of=problems_of)


@dataclass(frozen=True)
class Whole:
    """All that is there and all that is wanted, for what can only be judged together."""

    found: Found
    wanted: Mapping[Ref, Thing]

    @cached_property
    def owners(self) -> Mapping[str, set[Ref]]:
        """Guest addresses and who has them: VMs of the model, and VMs on the engine that were told them or report them."""
        owners: dict[str, set[Ref]] = {}
        for ref, thing in self.wanted.items():
            for address in guest_addresses(thing.wanted()) if isinstance(thing, Vm) else ():
                owners.setdefault(address, set()).add(ref)
        for key, seen in self.found.get("vm", {}).items():
            for address in [*guest_addresses(seen.values), *seen.notes.get("reported", ())]:
                owners.setdefault(address, set()).add(Ref("vm", key))
        return owners


def nothing_wrong(thing: Thing, seen: Seen | None, whole: Whole) -> list[str]:
    """Most kinds have no problems of their own."""
    return []


BLANK = "Blank"  # the engine's own template of nothing, for VMs whose disks are all their own


def vm_problems(thing: Thing, seen: Seen | None, whole: Whole) -> list[str]:
    """Addresses that another VM has, a template without a disk, disks that would have to shrink."""
    assert isinstance(thing, Vm)  # noqa: S101 - tells mypy what the table below says
    problems = []
    for address in guest_addresses(thing.wanted()):
        for other in sorted(whole.owners[address] - {thing.ref}):
            problems.append(f"{thing.ref}: address {address} is already used by {other}; fix: give one of them another address")
    template = whole.found.get("template", {}).get(thing.template)
    made_here = Ref("template", thing.template) in whole.wanted or thing.template == BLANK
    if seen is None and template and not made_here and not template.notes.get("disks"):
        problems.append(f"{thing.ref}: template {thing.template} has no disk, so nothing would boot; fix: make the template again")
    boots_from = (seen.values.get("disk_gib") or 0) if seen else 0
    if thing.disk_gib is not None and boots_from > thing.disk_gib:
        problems.append(
            f"{thing.ref}: its disk has {boots_from} GiB and {thing.disk_gib} GiB are wanted, but disks only grow; "
            f"fix: write disk_gib: {boots_from}"
        )
    for disk in thing.disks:
        there = seen.values["disks"].get(disk.name, {}).get("size_gib", 0) if seen else 0
        if there > disk.size_gib:
            problems.append(
                f"{thing.ref}: disk {disk.name} has {there} GiB and {disk.size_gib} GiB are wanted, but disks only grow; "
                f"fix: write size_gib: {there}"
            )
    return problems


def guest_addresses(values: Mapping[str, Any]) -> list[str]:
    """The static addresses of a VM without their prefix."""
    return [address.partition("/")[0] for address in (values.get("addresses") or {}).values()]


def template_problems(thing: Thing, seen: Seen | None, whole: Whole) -> list[str]:
    """A template that was made from another image is replaced only where that was asked for, and no VM hangs on it."""
    assert isinstance(thing, Template)  # noqa: S101
    there = seen.values.get("sha256") if seen else thing.sha256
    if thing.sha256 is None or there == thing.sha256:
        return []
    was = f"was made from the image {there[:12]}…" if there else "was not made here, so its image is not known"
    users = sorted(key for key, vm in whole.found.get("vm", {}).items() if vm.values.get("template") == thing.key)
    if users:
        return [f"{thing.ref}: {was} and VMs are made from it ({', '.join(users)}); fix: give the new image a template of another name"]
    if not thing.replace:
        return [f"{thing.ref}: {was}, wanted is {thing.sha256[:12]}…; fix: another name for the new one, or replace: true"]
    return []


Problems = Callable[[Thing, Seen | None, Whole], list[str]]
PROBLEMS: Mapping[str, Problems] = {"vm": vm_problems, "template": template_problems}

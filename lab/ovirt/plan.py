"""What would have to happen, over a whole wanted model: pure, so that it is the same with and without an engine.

Things that do not exist yet count as there once the step that makes them is in the plan, so a plan is right on an empty engine.
"""

from __future__ import annotations

import graphlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from lab.change import Change
from lab.errors import LabError, suggest
from lab.ovirt.model_vms import Template, Vm
from lab.ovirt.thing import Ref, Thing

Action = Literal["create", "update", "remove", "nothing"]


@dataclass(frozen=True)
class Seen:
    """A thing on the engine: its id, its values in the words of the model, and what only planners look at."""

    id: str
    values: dict[str, Any]
    notes: dict[str, Any] = field(default_factory=dict)


Found = Mapping[str, Mapping[str, Seen]]
"""What an engine has: kind -> key -> thing."""


@dataclass(frozen=True)
class Step:
    """What happens to one thing; `after` has only what the model decides, `before` the same keys as they are."""

    ref: Ref
    action: Action
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    later: tuple[Ref, ...] = ()

    @property
    def changes(self) -> dict[str, Any]:
        """The values that differ."""
        return {key: value for key, value in self.after.items() if key not in self.before or self.before[key] != value}

    def change(self, facts: Mapping[str, Any] | None = None) -> Change:
        """As every step of the lab reports; `later` is what does not exist yet, in check mode."""
        known = dict(facts or {}) | ({"does_not_exist_yet": [str(ref) for ref in self.later]} if self.later else {})
        return Change(str(self.ref), self.action != "nothing", self.before, self.after, known)


# What the engine cannot change on a thing that exists; everything else is updated in place.
FIXED: Mapping[str, tuple[str, ...]] = {
    "cluster": ("data_center",),
    "hypervisor": ("cluster", "address"),
    "storage_domain": ("data_center", "address", "path", "type"),
    "template": ("cluster",),
    "vm": ("cluster", "template", "hostname", "addresses"),
}


def plan(things: Iterable[Thing], found: Found, *, alone: bool = False, where: str = "the engine") -> list[Step]:
    """Every step in the order in which it can be done.

    `alone` is for one thing in check mode, whose surroundings other steps would have made: what is missing is then noted in the step
    and not refused.
    Raises LabError with everything that stands in the way.
    """
    wanted = {thing.ref: thing for thing in things}
    whole = Whole(found, wanted)
    brought = {ref: thing.ref for thing in wanted.values() for ref in thing.brings()}
    steps, problems = [], []
    for thing in ordered(wanted, brought):
        seen = found.get(thing.kind, {}).get(thing.key)
        there = wanted.keys() | brought.keys()
        missing = [ref for ref in thing.needs() if ref not in there and ref.key not in found.get(ref.kind, {})]
        if missing and not alone:
            problems += [
                nowhere(thing.ref, ref, [*found.get(ref.kind, {}), *(r.key for r in wanted if r.kind == ref.kind)]) for ref in missing
            ]
        step = compare(thing, seen, tuple(missing))
        problems += immovable(thing, step)
        problems += PROBLEMS.get(thing.kind, nothing_wrong)(thing, seen, whole)
        steps.append(step)
    if problems:
        raise LabError("\n".join(f"{where}: {problem}" for problem in dict.fromkeys(problems)))
    return steps


def ordered(wanted: Mapping[Ref, Thing], brought: Mapping[Ref, Ref]) -> list[Thing]:
    """What is needed comes first; what is brought by another thing comes with that."""
    graph: dict[Ref, list[Ref]] = {}
    for ref, thing in wanted.items():
        needs = [*thing.needs(), *([brought[ref]] if ref in brought else [])]
        graph[ref] = [by for need in needs for by in (need, brought.get(need, need)) if by in wanted and by != ref]
    return [wanted[ref] for ref in graphlib.TopologicalSorter(graph).static_order()]


def compare(thing: Thing, seen: Seen | None, missing: tuple[Ref, ...] = ()) -> Step:
    """Wanted against there; only what the model decides counts."""
    after = thing.wanted()
    if seen is None:
        return Step(thing.ref, "create", {}, after, missing)
    before = {key: same_parts(seen.values.get(key), value) for key, value in after.items()}
    return Step(thing.ref, "nothing" if before == after else "update", before, after, missing)


def same_parts(there: Any, wanted: Any) -> Any:
    """Of a mapping that is there, the keys that are wanted, all the way down: the rest is not ours to decide."""
    if not isinstance(there, dict) or not isinstance(wanted, dict):
        return there
    return {key: same_parts(value, wanted[key]) for key, value in there.items() if key in wanted}


def nowhere(thing: Ref, need: Ref, known: Iterable[str]) -> str:
    """A need that neither the model nor the engine has."""
    hint = suggest(need.key, known) or f"add {need} to the model"
    return f"{thing}: needs {need}, which is neither in the model nor on the engine; fix: {hint}"


def immovable(thing: Thing, step: Step) -> list[str]:
    """What would have to change and cannot. An unknown value there is no difference: the engine does not tell everything."""
    if step.action != "update":
        return []
    return [
        f"{thing.ref}: {key} is {step.before[key]!r} on the engine and {step.changes[key]!r} is wanted, which cannot be changed on "
        f"what exists; fix: remove {thing.ref} first, or give the new one another name"
        for key in FIXED.get(thing.kind, ())
        if key in step.changes and step.before[key] is not None
    ]


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

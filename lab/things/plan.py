"""What would have to happen, over a whole wanted model: pure, so that it is the same with and without an API.

Things that do not exist yet count as there once the step that makes them is in the plan, so a plan is right on an empty place.
"""

from __future__ import annotations

import graphlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lab.errors import LabError, suggest
from lab.things.thing import Found, Ref, Seen, Step, Thing

Problems = Callable[[Thing, "Seen | None"], list[str]]


def nothing_wrong(thing: Thing, seen: Seen | None) -> list[str]:
    """Most kinds have no problems of their own."""
    return []


@dataclass(frozen=True)
class Rules:
    """What planning depends on: `place` as messages call it, and `fixed`, the values that cannot be changed on what exists, by kind."""

    place: str
    fixed: Mapping[str, tuple[str, ...]]


def plan(
    things: Iterable[Thing], found: Found, rules: Rules, *, alone: bool = False, where: str = "", problems_of: Problems = nothing_wrong
) -> list[Step]:
    """Every step in the order in which it can be done.

    `alone` is for one thing in check mode, whose surroundings other steps would have made: what is missing is then noted in the step
    and not refused. `problems_of` says what else stands in the way of a thing.
    Raises LabError with everything that stands in the way.
    """
    wanted = {thing.ref: thing for thing in things}
    brought = {ref: thing.ref for thing in wanted.values() for ref in thing.brings()}
    steps, problems = [], []
    for thing in ordered(wanted, brought):
        seen = found.get(thing.kind, {}).get(thing.key)
        there = wanted.keys() | brought.keys()
        missing = [ref for ref in thing.needs() if ref not in there and ref.key not in found.get(ref.kind, {})]
        if missing and not alone:
            problems += [
                nowhere(thing.ref, ref, [*found.get(ref.kind, {}), *(r.key for r in wanted if r.kind == ref.kind)], rules.place)
                for ref in missing
            ]
        step = compare(thing, seen, tuple(missing))
        problems += immovable(thing, step, rules)
        problems += problems_of(thing, seen)
        steps.append(step)
    if problems:
        raise LabError("\n".join(f"{where or rules.place}: {problem}" for problem in dict.fromkeys(problems)))
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


def nowhere(thing: Ref, need: Ref, known: Iterable[str], place: str) -> str:
    """A need that neither the model nor the place has."""
    hint = suggest(need.key, known) or f"add {need} to the model"
    return f"{thing}: needs {need}, which is neither in the model nor on {place}; fix: {hint}"


def immovable(thing: Thing, step: Step, rules: Rules) -> list[str]:
    """What would have to change and cannot. An unknown value there is no difference: an API does not tell everything."""
    if step.action != "update":
        return []
    return [
        f"{thing.ref}: {key} is {step.before[key]!r} on {rules.place} and {step.changes[key]!r} is wanted, which cannot be changed on "
        f"what exists; fix: remove {thing.ref} first, or give the new one another name"
        for key in rules.fixed.get(thing.kind, ())
        if key in step.changes and step.before[key] is not None
    ]

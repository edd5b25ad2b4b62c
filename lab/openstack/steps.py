"""Find, compare, act: one thing, or a whole model. What Ansible modules call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lab.change import Change
from lab.errors import LabError
from lab.openstack.cloud import Cloud
from lab.openstack.kinds import KINDS
from lab.openstack.kinds.images import check_file, sha512
from lab.openstack.model_compute import Image
from lab.openstack.plan import facts, plan
from lab.openstack.state import State, several
from lab.things.plan import compare, ordered
from lab.things.thing import Found, Ref, Seen, Step, Thing


def ensure(cloud: Cloud, thing: Thing) -> Change:
    """One thing becomes as wanted. On a cloud in check mode nothing is written, and what does not exist yet is only noted."""
    thing = resolved(thing)
    state = State(cloud)
    found = look(state, [thing])
    step = plan([thing], found, alone=cloud.check, where=cloud.login.auth_url)[0]
    if step.action != "nothing" and not cloud.check:
        perform(state, thing, step, found[thing.kind].get(thing.key))
        check_result(cloud, thing, one(state, thing))
    return step.change(facts(one(state, thing)))


def ensure_all(cloud: Cloud, things: Iterable[Thing]) -> list[Change]:
    """A whole model becomes as wanted, after all of it was planned: what cannot work is refused before anything is written.

    Raises LabError also where the cloud took every change and something still differs in the end.
    """
    wanted = {thing.ref: resolved(thing) for thing in things}
    for thing in wanted.values():
        if isinstance(thing, Image) and not cloud.check:
            check_file(thing)
    state = State(cloud)
    found = look(state, list(wanted.values()))
    changes, touched = [], False
    for step in plan(wanted.values(), found, where=cloud.login.auth_url):
        thing = wanted[step.ref]
        seen = found[thing.kind].get(thing.key)
        if touched and step.action != "nothing":
            # An earlier step may have brought it, or a part of it: a project brings its quota.
            seen = one(state, thing)
            step = compare(thing, seen)
        if step.action != "nothing" and not cloud.check:
            perform(state, thing, step, seen)
            touched = True
        changes.append(step.change())
    if touched:
        found = look(state, list(wanted.values()))
        for thing in wanted.values():
            check_result(cloud, thing, found[thing.kind].get(thing.key))
    return changes


def remove(cloud: Cloud, kind: str, key: str) -> Change:
    """One thing becomes absent.

    Raises LabError where several have that name: which one is meant only their owner knows.
    """
    state = State(cloud)
    seen = KINDS[kind].observe(state, []).get(key)
    if seen is not None and not cloud.check:
        only(cloud, Ref(kind, key), seen)
        KINDS[kind].remove(state, key, seen)
    return Change(str(Ref(kind, key)), seen is not None, seen.values if seen else {}, {})


def teardown(cloud: Cloud, things: Iterable[Thing]) -> list[Change]:
    """Removes what is there of a model and nothing else, what needs others first. Run again after a kill it goes on."""
    wanted = {thing.ref: thing for thing in things}
    brought = {ref: thing.ref for thing in wanted.values() for ref in thing.brings()}
    state = State(cloud)
    found = look(state, list(wanted.values()))
    there = [thing for thing in reversed(ordered(wanted, brought)) if thing.key in found[thing.kind]]
    for thing in there:
        only(cloud, thing.ref, found[thing.kind][thing.key])
    changes = []
    for thing in there:
        seen = one(state, thing)  # what went before may have taken it along, or let go of it
        if seen is not None and not cloud.check:
            KINDS[thing.kind].remove(state, thing.key, seen)
            state.forget()
        changes.append(Change(str(thing.ref), True, found[thing.kind][thing.key].values, {}))
    return changes


def only(cloud: Cloud, ref: Ref, seen: Seen) -> None:
    """Refuses to remove one of several."""
    if "twins" in seen.notes:
        raise LabError(f"{cloud.login.auth_url}: {ref}: {several(ref.kind.replace('_', ' '), ref.key, seen.notes['twins'])}")


def look(state: State, things: Sequence[Thing]) -> Found:
    """What is there of every kind that the things are of, or need."""
    kinds = {kind for thing in things for kind in (thing.kind, *(ref.kind for ref in thing.needs()))}
    return {kind: KINDS[kind].observe(state, [thing for thing in things if thing.kind == kind]) for kind in KINDS if kind in kinds}


def one(state: State, thing: Thing) -> Seen | None:
    """What is there of one thing."""
    return KINDS[thing.kind].observe(state, [thing]).get(thing.key)


def perform(state: State, thing: Thing, step: Step, seen: Seen | None) -> None:
    """Does one step."""
    kind = KINDS[thing.kind]
    try:
        if seen is None:
            kind.create(state, thing)
        else:
            kind.update(state, thing, seen, step)
    finally:
        state.forget(*kind.touches)


def check_result(cloud: Cloud, thing: Thing, seen: Seen | None) -> None:
    """What was done must be seen afterwards; a cloud that took a request and did something else is said so at once."""
    left = compare(thing, seen)
    if left.action != "nothing":
        parts = ", ".join(f"{key} is {left.before.get(key)!r} instead of {value!r}" for key, value in left.changes.items())
        raise LabError(
            f"{cloud.login.auth_url}: {thing.ref}: the cloud took the change, but {parts or 'it is not there'}; "
            "fix: run it again; if it stays so, this release treats it differently: read the service's journal"
        )


def resolved(thing: Thing) -> Thing:
    """An image gets the checksum of its file, where that is there already."""
    if isinstance(thing, Image) and thing.sha512 is None and thing.file.is_file():
        return thing.model_copy(update={"sha512": sha512(thing.file)})
    return thing

"""Find, compare, act: one thing, or a whole model. What Ansible modules call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lab.change import Change
from lab.errors import LabError
from lab.ovirt.engine import Engine
from lab.ovirt.images import sha256
from lab.ovirt.kinds import KINDS
from lab.ovirt.model_vms import Template, Vm
from lab.ovirt.plan import Found, Seen, Step, compare, plan
from lab.ovirt.state import State
from lab.ovirt.thing import Ref, Thing

# Collections that look different after a change of a kind: the engine makes more than it is told to.
TOUCHED: Mapping[str, tuple[str, ...]] = {
    "mac_pool": ("mac_pools",),
    "data_center": ("data_centers",),
    "cluster": ("clusters",),
    "network": ("networks", "clusters", "vnic_profiles"),
    "vnic_profile": ("vnic_profiles",),
    "hypervisor": ("hosts", "data_centers"),
    "hypervisor_network": ("hosts",),
    "storage_domain": ("storage_domains", "data_centers", "templates", "vms"),
    "template": ("templates",),
    "vm": ("vms",),
    "affinity_group": ("clusters",),
}


def ensure(engine: Engine, thing: Thing, *, known: Mapping[str, Any] | None = None) -> Change:
    """One thing becomes as wanted. On an engine in check mode nothing is written, and what does not exist yet is only noted."""
    thing = resolved(thing)
    state = State(engine, only_vm=thing.name if isinstance(thing, Vm) else "")
    step = one_step(state, thing)
    if step.action == "create" and state.only_vm:
        state = State(engine)  # a new address is compared with those of all VMs
        step = one_step(state, thing)
    if step.action != "nothing" and not engine.check:
        perform(state, thing, step, KINDS[thing.kind].observe(state).get(thing.key))
        check_result(engine, thing, KINDS[thing.kind].observe(state).get(thing.key))
    return step.change(facts(KINDS[thing.kind].observe(state).get(thing.key)) | dict(known or {}))


def ensure_all(engine: Engine, things: Iterable[Thing]) -> list[Change]:
    """A whole model becomes as wanted, after all of it was planned: what cannot work is refused before anything is written.

    Raises LabError also where the engine took every change and something still differs in the end.
    """
    wanted = {thing.ref: resolved(thing) for thing in things}
    state = State(engine)
    found = look(state, wanted.values())
    changes, touched = [], False
    for step in plan(wanted.values(), found, where=engine.login.url):
        thing = wanted[step.ref]
        seen = found[thing.kind].get(thing.key)
        if touched and thing.kind != "vm":
            # The engine may have made it by itself meanwhile: a new network brings its profile. It never makes a VM, and there are many.
            seen = KINDS[thing.kind].observe(state).get(thing.key)
            step = compare(thing, seen)
        if step.action != "nothing" and not engine.check:
            perform(state, thing, step, seen)
            touched = True
        changes.append(step.change())
    if touched:
        found = look(state, wanted.values())
        for thing in wanted.values():
            check_result(engine, thing, found[thing.kind].get(thing.key))
    return changes


def remove(engine: Engine, kind: str, key: str) -> Change:
    """One thing becomes absent."""
    state = State(engine, only_vm=key if kind == "vm" else "")
    seen = KINDS[kind].observe(state).get(key)
    if seen is not None and not engine.check:
        KINDS[kind].remove(state, key, seen)
    return Change(str(Ref(kind, key)), seen is not None, seen.values if seen else {}, {})


def look(state: State, things: Iterable[Thing]) -> Found:
    """What is there of every kind that the things are of, or need."""
    kinds = {kind for thing in things for kind in (thing.kind, *(ref.kind for ref in thing.needs()))}
    return {kind: KINDS[kind].observe(state) for kind in KINDS if kind in kinds}


def one_step(state: State, thing: Thing) -> Step:
    """The plan of one thing."""
    found = look(state, [thing])
    return plan([thing], found, alone=state.engine.check, where=state.engine.login.url)[0]


def perform(state: State, thing: Thing, step: Step, seen: Seen | None) -> None:
    """Does one step."""
    kind = KINDS[thing.kind]
    try:
        if seen is None:
            kind.create(state, thing)
        else:
            kind.update(state, thing, seen, step)
    finally:
        state.forget(*TOUCHED[thing.kind])


def check_result(engine: Engine, thing: Thing, seen: Seen | None) -> None:
    """What was done must be seen afterwards; an engine that took a request and did something else is said so at once."""
    left = compare(thing, seen)
    if left.action != "nothing":
        parts = ", ".join(f"{key} is {left.before.get(key)!r} instead of {value!r}" for key, value in left.changes.items())
        raise LabError(
            f"{engine.login.url}: {thing.ref}: the engine took the change, but {parts or 'it is not there'}; "
            "fix: run it again; if it stays so, the engine's version treats this differently: read its events"
        )


def facts(seen: Seen | None) -> dict[str, Any]:
    """What later steps may need to know."""
    return {"id": seen.id, **seen.notes} if seen else {}


def resolved(thing: Thing) -> Thing:
    """A template gets the checksum of its image, where the image is there already."""
    if isinstance(thing, Template) and thing.sha256 is None and thing.image.is_file():
        return thing.model_copy(update={"sha256": sha256(thing.image)})
    return thing

"""Snapshots by their description, which is the only name they have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lab.change import Change
from lab.errors import LabError
from lab.ovirt.engine import Engine
from lab.ovirt.kinds.base import removed
from lab.ovirt.sdk import types, word
from lab.ovirt.state import State

SNAPSHOT_SECONDS = 1800
OWN = ("regular", "")  # `active` is the VM itself, `preview` somebody's look at an older one


@dataclass(frozen=True)
class Snapshot:
    """One that is there."""

    id: str
    description: str
    taken: datetime
    status: str = "ok"


def to_prune(there: Iterable[Snapshot], prefix: str, keep: int) -> list[Snapshot]:
    """The oldest of those whose description begins so, beyond how many are kept; oldest first.

    One that is being made or looked at is left alone, and does not count as kept: it may come to nothing.
    """
    ours = sorted((item for item in there if item.description.startswith(prefix) and item.status == "ok"), key=lambda item: item.taken)
    return ours[: max(0, len(ours) - keep)]


def ensure(engine: Engine, vm: str, description: str, *, memory: bool = False, wanted: bool = True) -> Change:
    """A snapshot of that description is there, or not; a second one of the same description is never made."""
    state = State(engine, only_vm=vm)
    what = f"snapshot {description!r} of vm {vm}"
    service = snapshots_of(state, vm)
    if service is None:
        if wanted and not engine.check:
            raise LabError(f"{engine.login.url}: {what}: the VM is not there; fix: make it first")
        return Change(what, wanted, {}, {"description": description} if wanted else {})
    there = [item for item in observe(engine, what, service) if item.description == description]
    before = {"description": description} if there else {}
    if bool(there) == wanted:
        if there and not engine.check:
            settle(engine, what, service, there[0].id)  # a killed run may have left it on its way
        return Change(what, False, before, before, {"id": there[0].id} if there else {})
    if engine.check:
        return Change(what, True, before, {"description": description} if wanted else {})
    if not wanted:
        for item in there:
            removed(state, what, service.snapshot_service(item.id), SNAPSHOT_SECONDS)
        return Change(what, True, before, {})
    request = types().Snapshot(description=description, persist_memorystate=memory)
    made = engine.tell(f"{what}: take", lambda: service.add(request))
    settle(engine, what, service, made.id)
    return Change(what, True, {}, {"description": description}, {"id": made.id})


def prune(engine: Engine, vm: str, prefix: str, keep: int) -> Change:
    """Removes the oldest beyond those that are kept, one after the other: the engine merges one at a time."""
    state = State(engine, only_vm=vm)
    what = f"snapshots {prefix!r}* of vm {vm}"
    service = snapshots_of(state, vm)
    there = observe(engine, what, service) if service else []
    gone = to_prune(there, prefix, keep)
    if not engine.check:
        for item in gone:
            removed(state, f"snapshot {item.description!r} of vm {vm}", service.snapshot_service(item.id), SNAPSHOT_SECONDS)
    ours = [item.description for item in there if item.description.startswith(prefix)]
    lost = {item.id for item in gone}
    left = [item.description for item in there if item.description.startswith(prefix) and item.id not in lost]
    return Change(what, bool(gone), {"snapshots": ours}, {"snapshots": left})


def snapshots_of(state: State, vm: str) -> Any:
    """The SDK's service of a VM's snapshots; None where there is no such VM."""
    found = [item for item in state.objects("vms") if item.name == vm]
    return state.service("vms").vm_service(found[0].id).snapshots_service() if found else None


def observe(engine: Engine, what: str, service: Any) -> list[Snapshot]:
    """Those that people and we took."""
    return [
        Snapshot(item.id, item.description or "", item.date, word(item.snapshot_status))
        for item in engine.ask(what, lambda: service.list())
        if word(item.snapshot_type) in OWN
    ]


def settle(engine: Engine, what: str, service: Any, ident: str) -> None:
    """Until it can be used. One that the engine gave up is gone by then, which `ask` says."""
    one = service.snapshot_service(ident)
    engine.wait(f"{what} is taken", lambda: word(one.get().snapshot_status), lambda status: status != "locked", SNAPSHOT_SECONDS)

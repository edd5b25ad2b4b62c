"""MAC pools: /macpools."""

from __future__ import annotations

from typing import Any

from lab.ovirt.kinds.base import removed, said
from lab.ovirt.model import MacPool
from lab.ovirt.plan import Seen, Step
from lab.ovirt.sdk import types
from lab.ovirt.state import State


class MacPools:
    """The addresses that VMs get."""

    def observe(self, state: State) -> dict[str, Seen]:
        """By name."""
        return {item.name: Seen(item.id, pool_values(item)) for item in state.objects("mac_pools")}

    def create(self, state: State, thing: MacPool) -> None:
        """One request."""
        state.engine.tell(said(thing, "create"), lambda: state.service("mac_pools").add(request(thing)))

    def update(self, state: State, thing: MacPool, seen: Seen, step: Step) -> None:
        """The engine refuses to take away ranges that are in use."""
        state.engine.tell(said(thing, "change"), lambda: state.service("mac_pools").mac_pool_service(seen.id).update(request(thing)))

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """Refused by the engine while a cluster uses it."""
        removed(state, f"mac pool {key}", state.service("mac_pools").mac_pool_service(seen.id))


def pool_values(item: Any) -> dict[str, Any]:
    """Ranges as text, in the engine's order."""
    return {"ranges": [f"{part.from_} to {part.to}" for part in item.ranges or ()], "allow_duplicates": bool(item.allow_duplicates)}


def request(thing: MacPool) -> Any:
    """What the engine is told."""
    ranges = [types().Range(from_=item.from_, to=item.to) for item in thing.ranges]
    return types().MacPool(name=thing.name, allow_duplicates=thing.allow_duplicates, ranges=ranges)

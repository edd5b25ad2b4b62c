"""What every kind of thing can do with an engine, and what most of them share."""

from __future__ import annotations

from typing import Any, Protocol

from lab.ovirt.errors import Gone
from lab.ovirt.plan import Seen, Step
from lab.ovirt.state import State
from lab.ovirt.thing import Thing


class Kind(Protocol):
    """One resource. `observe` speaks the words of the model, so that a plan compares like with like."""

    def observe(self, state: State) -> dict[str, Seen]:
        """All of the kind that the engine has, by key."""

    def create(self, state: State, thing: Any) -> None:
        """Makes it, and waits until it can be used."""

    def update(self, state: State, thing: Any, seen: Seen, step: Step) -> None:
        """Changes what differs, and waits until that is so."""

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """Removes it, and waits until it is gone."""


def said(thing: Thing, verb: str) -> str:
    """What is done to what, for messages."""
    return f"{thing.ref}: {verb}"


def removed(state: State, what: str, service: Any, limit_seconds: float = 180, **query: Any) -> None:
    """Removes one object and waits until the engine says that it is gone."""
    try:
        state.engine.tell(f"{what}: remove", lambda: service.remove(**query))
    except Gone:
        return  # somebody was faster, or an earlier run was killed after asking

    def still_there() -> bool:
        try:
            state.engine.ask(what, service.get)
        except Gone:
            return False
        return True

    state.engine.wait(f"{what} is gone", still_there, lambda there: not there, limit_seconds)

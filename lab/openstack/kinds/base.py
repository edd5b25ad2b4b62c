"""What every kind of thing can do with a cloud, and what most of them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lab.openstack.errors import Gone
from lab.openstack.state import State, keyed
from lab.things.thing import Seen, Step, Thing

GONE_SECONDS = 300


class Kind(Protocol):
    """One resource. `observe` speaks the words of the model, so that a plan compares like with like."""

    @property
    def touches(self) -> tuple[str, ...]:
        """Collections that look different after a change."""

    def observe(self, state: State, things: Sequence[Any]) -> dict[str, Seen]:
        """What the cloud has of the kind, by key; of `things`, which are wanted, also what costs a request each."""

    def create(self, state: State, thing: Any) -> None:
        """Makes it, and waits until it can be used."""

    def update(self, state: State, thing: Any, seen: Seen, step: Step) -> None:
        """Changes what differs, and waits until that is so."""

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """Removes it, and waits until it is gone."""


@dataclass(frozen=True)
class Plain:
    """A resource with the usual five requests: its proxy in the SDK, and how its names and values are told.

    `words` maps a key of the model to the SDK's attribute; `made_with` adds what only its creation is told.
    """

    proxy: str
    one: str
    many: str
    words: Mapping[str, str]
    key: Callable[[State, Any], str] = lambda state, item: str(item.name)
    made_with: Callable[[State, Any], dict[str, Any]] = lambda state, thing: {}
    read: Callable[[State, Any, Mapping[str, str]], dict[str, Any]] = lambda state, item, words: plain_values(item, words)
    before_removal: Callable[[State, Seen], None] = lambda state, seen: None

    @property
    def touches(self) -> tuple[str, ...]:
        """Its own collection."""
        return (self.many,)

    def observe(self, state: State, things: Sequence[Any]) -> dict[str, Seen]:
        """By key."""
        return keyed((self.key(state, item), Seen(str(item.id), self.read(state, item, self.words))) for item in state.objects(self.many))

    def create(self, state: State, thing: Any) -> None:
        """One request."""
        body = {"name": thing.name} | self.body(thing.wanted()) | self.made_with(state, thing)
        make = getattr(getattr(state.cloud.connection, self.proxy), f"create_{self.one}")
        state.cloud.tell(said(thing, "create"), lambda: make(**body))

    def update(self, state: State, thing: Any, seen: Seen, step: Step) -> None:
        """Only what differs is sent."""
        change = getattr(getattr(state.cloud.connection, self.proxy), f"update_{self.one}")
        state.cloud.tell(said(thing, "change"), lambda: change(seen.id, **self.body(step.changes)))

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """One request."""
        self.before_removal(state, seen)
        proxy = getattr(state.cloud.connection, self.proxy)
        removed(state, f"{self.one.replace('_', ' ')} {key}", lambda: getattr(proxy, f"delete_{self.one}")(seen.id, ignore_missing=False))

    def body(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """In the SDK's words."""
        return {self.words[key]: value for key, value in values.items() if key in self.words}


def plain_values(item: Any, words: Mapping[str, str]) -> dict[str, Any]:
    """In the words of the model; a description that was never written is an empty one."""
    values = {key: getattr(item, word) for key, word in words.items()}
    return {key: value or "" if key == "description" else value for key, value in values.items()}


def said(thing: Thing, verb: str) -> str:
    """What is done to what, for messages."""
    return f"{thing.ref}: {verb}"


def removed(
    state: State,
    what: str,
    order: Callable[[], Any],
    look: Callable[[], Any] | None = None,
    failed: Callable[[Any], bool] = lambda _: False,
) -> None:
    """Removes one object; with `look` waits until asking for it says that it is gone."""
    try:
        state.cloud.tell(f"{what}: remove", order)
    except Gone:
        return  # somebody was faster, or an earlier run was killed after asking
    if look is None:
        return

    def status() -> str:
        try:
            return str(state.cloud.ask(what, look).status)
        except Gone:
            return "gone"

    state.cloud.wait(f"{what} is gone", status, lambda seen: seen == "gone", GONE_SECONDS, failed)

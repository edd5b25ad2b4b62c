"""What a wanted thing is, whatever it is, and what is there of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from lab.change import Change

# What no API's search takes for anything but a name.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
Action = Literal["create", "update", "remove", "nothing"]


class Ref(NamedTuple):
    """A thing by its kind and key."""

    kind: str
    key: str

    def __str__(self) -> str:
        """As messages say it: `data center lab`."""
        return f"{self.kind.replace('_', ' ')} {self.key}"


class Thing(BaseModel):
    """Something wanted. `key` is unique among its kind, `needs` must exist before it, `wanted` is compared with what is there."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: ClassVar[str]
    name: Name

    @property
    def key(self) -> str:
        """Its name, with what the name is unique in before it."""
        return self.name

    @property
    def ref(self) -> Ref:
        """Its kind and key."""
        return Ref(self.kind, self.key)

    def needs(self) -> list[Ref]:
        """What must exist before it."""
        return []

    def brings(self) -> list[Ref]:
        """What is made with it by itself."""
        return []

    def wanted(self) -> dict[str, Any]:
        """What is compared with what is there; a key that is left out is not ours to decide."""
        return {}


@dataclass(frozen=True)
class Seen:
    """A thing that is there: its id, its values in the words of the model, and what only planners look at."""

    id: str
    values: dict[str, Any]
    notes: dict[str, Any] = field(default_factory=dict)


Found = Mapping[str, Mapping[str, Seen]]
"""What is there: kind -> key -> thing."""


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

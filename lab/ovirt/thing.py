"""What a wanted thing is, whatever it is."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

# What the engine's search takes without quoting surprises; the engine itself allows no more for most of them.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
Mac = Annotated[str, Field(pattern=r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
GIB = 1024**3
MIB = 1024**2


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
        """What the engine makes with it by itself."""
        return []

    def wanted(self) -> dict[str, Any]:
        """What is compared with the engine; a key that is left out is not ours to decide."""
        return {}

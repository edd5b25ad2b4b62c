"""What a wanted thing of an engine is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lab.things.thing import Name, Ref, Thing

__all__ = ["GIB", "MIB", "Mac", "Name", "Ref", "Sha256", "Thing"]

Mac = Annotated[str, Field(pattern=r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
GIB = 1024**3
MIB = 1024**2

"""What a step did, or would do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Change:
    """One step's outcome on one thing.

    `before` and `after` are what `--diff` shows; `facts` is what later steps need to know of the thing (never a secret).
    """

    what: str
    changed: bool
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

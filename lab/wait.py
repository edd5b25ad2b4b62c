"""The one waiter: waits on conditions, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from lab.errors import LabError

Seen = TypeVar("Seen")


def wait_for(
    what: str,
    probe: Callable[[], Seen],
    wanted: Callable[[Seen], bool],
    limit_seconds: float,
    failed: Callable[[Seen], bool] = lambda _: False,
    pause_seconds: float = 0.3,
    where: str = "",
) -> Seen:
    """Calls `probe` until `wanted` accepts what it saw, and returns that.

    Raises LabError when `failed` accepts it or the limit passes; the message names what was awaited, what was last seen, how long,
    and where.
    """
    start = time.monotonic()
    place = f" at {where}" if where else ""
    while True:
        seen = probe()
        if wanted(seen):
            return seen
        waited = time.monotonic() - start
        if failed(seen):
            raise LabError(f"{what}{place}: failed after {waited:.0f} s; last seen: {seen!r}")
        if waited >= limit_seconds:
            raise LabError(f"{what}{place}: not within {limit_seconds:g} s; last seen: {seen!r}")
        time.sleep(pause_seconds)

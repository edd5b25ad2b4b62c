"""Does one thing with many machines at the same time: what waits for a network does not wait in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Found = TypeVar("Found")

AT_ONCE = 16


def each(function: Callable[[Item], Found], items: Iterable[Item]) -> list[Found]:
    """What `function` returns for each item, in the order of the items; all are tried, then the first failure is raised."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(function, item) for item in items]
    return [future.result() for future in futures]

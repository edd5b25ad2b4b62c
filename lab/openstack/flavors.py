"""Which flavor a wish needs, and what a compute node has room for; pure, with reasons in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lab.errors import InputError


@dataclass(frozen=True)
class Size:
    """Processors, memory (MiB) and disk (GiB), of a wish or of a flavor."""

    vcpus: int
    memory_mib: int
    disk_gib: int

    def __str__(self) -> str:
        """As reasons say it."""
        return f"{self.vcpus} vCPU, {self.memory_mib} MiB, {self.disk_gib} GiB"

    def covers(self, wish: Size) -> bool:
        """Whether a server of this size has all that is wished for."""
        return self.vcpus >= wish.vcpus and self.memory_mib >= wish.memory_mib and self.disk_gib >= wish.disk_gib


@dataclass(frozen=True)
class Named:
    """A flavor."""

    name: str
    size: Size


@dataclass(frozen=True)
class Node:
    """A compute node: what it has in all, and what of that is free, as placement counts it."""

    name: str
    total: Size
    free: Size
    state: str = "up"


def recommend(wish: Size, flavors: Iterable[Named]) -> tuple[str, str]:
    """The flavor that covers a wish with the least to spare, and why; memory counts first, it is what nodes run out of.

    Raises InputError where none does, with what the nearest lacks and the flavor that would do.
    """
    known = sorted(flavors, key=lambda one: (one.size.memory_mib, one.size.vcpus, one.size.disk_gib, one.name))
    fitting = [one for one in known if one.size.covers(wish)]
    if not fitting:
        nearest = min(known, key=lambda one: len(lacks(wish, one.size)), default=None)
        best = f"; {nearest.name} lacks {', '.join(lacks(wish, nearest.size))}" if nearest else "; there is no flavor at all"
        raise InputError(
            f"no flavor has {wish}{best}; fix: a flavor of {wish.vcpus} vCPU, memory_mib: {wish.memory_mib}, disk_gib: {wish.disk_gib}"
        )
    chosen = fitting[0]
    spare = Size(chosen.size.vcpus - wish.vcpus, chosen.size.memory_mib - wish.memory_mib, chosen.size.disk_gib - wish.disk_gib)
    smaller = [one for one in known[: known.index(chosen)] if lacks(wish, one.size)]
    before = f"; {smaller[-1].name} lacks {', '.join(lacks(wish, smaller[-1].size))}" if smaller else "; it is the smallest there is"
    return chosen.name, f"{chosen.name} ({chosen.size}) covers {wish} with {spare} to spare{before}"


def lacks(wish: Size, there: Size) -> list[str]:
    """What is missing to cover a wish."""
    parts = [
        (wish.vcpus - there.vcpus, "vCPU"),
        (wish.memory_mib - there.memory_mib, "MiB of memory"),
        (wish.disk_gib - there.disk_gib, "GiB of disk"),
    ]
    return [f"{missing} {unit}" for missing, unit in parts if missing > 0]


def refusals(wish: Size, nodes: Iterable[Node]) -> list[str]:
    """Why each node would not take a server of that size; a node that would is left out."""
    said = []
    for node in nodes:
        if node.state != "up":
            said.append(f"{node.name}: is {node.state}")
        elif never := lacks(wish, node.total):
            said.append(f"{node.name}: is too small by {', '.join(never)}, even when it is empty")
        elif now := lacks(wish, node.free):
            said.append(f"{node.name}: lacks {', '.join(now)} (free: {node.free})")
    return said


def stays(old: Size, new: Size, node: Node) -> tuple[bool, str]:
    """Whether a resize has room on the node the server is on, and why; what it has now is given back only afterwards.

    Raises InputError where the disk would shrink, which no guest survives.
    """
    if new.disk_gib < old.disk_gib:
        raise InputError(
            f"the disk has {old.disk_gib} GiB and the new flavor {new.disk_gib} GiB, but disks only grow; fix: a flavor with more disk"
        )
    # While both sizes are kept for a rollback, placement counts both.
    missing = lacks(new, node.free)
    if missing:
        return False, f"{node.name} lacks {', '.join(missing)} while it holds both sizes, so another node is needed"
    return True, f"{node.name} has room for both sizes ({node.free} free), so the server stays there"

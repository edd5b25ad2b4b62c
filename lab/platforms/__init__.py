"""What makes a machine exist. A platform has four methods, and nothing outside this package knows more of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from lab.change import Change
from lab.errors import InputError
from lab.platforms.container import Container
from lab.platforms.metal import Metal
from lab.platforms.vm import Vm

Spec = Mapping[str, Any]


class Platform(Protocol):
    """`spec` is the `machine_spec` of lab/inventory. With `check` nothing is written, and the Change says what would be."""

    def ensure(self, name: str, spec: Spec, *, check: bool = False) -> Change:
        """Makes the machine exist and run."""

    def remove(self, name: str, spec: Spec, *, check: bool = False) -> Change:
        """Makes the machine, and what only it used, not exist."""

    def address(self, name: str, spec: Spec) -> str:
        """Where the controller reaches the machine."""

    def backend(self) -> str:
        """What its machines really run on."""


PLATFORMS: dict[str, Callable[[], Platform]] = {"container": Container, "metal": Metal, "vm": Vm}


def platform(kind: str) -> Platform:
    """The platform of that kind.

    Raises InputError for a kind that does not exist.
    """
    if kind not in PLATFORMS:
        raise InputError(f"platform {kind!r} does not exist; fix: use one of {', '.join(sorted(PLATFORMS))}")
    return PLATFORMS[kind]()


def remove_all(machines: Mapping[str, Mapping[str, Any]], say: Callable[[str], None]) -> list[Change]:
    """Removes every machine, given as name -> its inventory variables, the router last; `say` is told of each."""
    changes = []
    for name in sorted(machines, key=lambda name: bool(machines[name]["machine_spec"].get("uplink"))):
        change = platform(machines[name]["machine_platform"]).remove(name, machines[name]["machine_spec"])
        if change.changed:
            say(f"{name}: removed")
            changes.append(change)
    return changes

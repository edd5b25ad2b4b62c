"""What makes a machine exist. A platform has three methods, and nothing outside this package knows more of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from lab.change import Change
from lab.errors import InputError
from lab.inventory import machine_spec
from lab.platforms.container import Container
from lab.platforms.metal import Metal
from lab.site import Site

Spec = Mapping[str, Any]


class Platform(Protocol):
    """`spec` is the `machine_spec` of lab/inventory.py. With `check` nothing is written, and the Change says what would be."""

    def ensure(self, name: str, spec: Spec, *, check: bool = False) -> Change:
        """Makes the machine exist and run."""

    def remove(self, name: str, spec: Spec, *, check: bool = False) -> Change:
        """Makes the machine, and what only it used, not exist."""

    def address(self, name: str, spec: Spec) -> str:
        """Where the controller reaches the machine."""


PLATFORMS: dict[str, Callable[[], Platform]] = {"container": Container, "metal": Metal}


def platform(kind: str) -> Platform:
    """The platform of that kind.

    Raises InputError for a kind that does not exist.
    """
    if kind not in PLATFORMS:
        raise InputError(f"platform {kind!r} does not exist; fix: use one of {', '.join(sorted(PLATFORMS))}")
    return PLATFORMS[kind]()


def remove_all(site: Site, say: Callable[[str], None]) -> list[Change]:
    """Removes every machine of the site, the router last for the others are reached through it; `say` is told of each."""
    changes = []
    for name in sorted(site.machines, key=lambda name: name == site.network.router):
        change = platform(site.machines[name].platform.kind).remove(name, machine_spec(site, name))
        if change.changed:
            say(f"{name}: removed")
            changes.append(change)
    return changes

"""What makes a machine exist. A platform has four methods, and nothing outside this package knows more of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from lab.change import Change
from lab.errors import InputError
from lab.images import debian
from lab.platforms.container import Container
from lab.platforms.metal import Metal
from lab.platforms.uml import image as vm_image
from lab.platforms.vm import Vm

if TYPE_CHECKING:
    from lab.site import Site

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


def _ovirt() -> Platform:
    from lab.platforms.ovirt import Ovirt  # here, because most runs need nothing of an engine, and its model takes time to load

    return Ovirt()


PLATFORMS: dict[str, Callable[[], Platform]] = {"container": Container, "metal": Metal, "ovirt": _ovirt, "vm": Vm}


def platform(kind: str) -> Platform:
    """The platform of that kind.

    Raises InputError for a kind that does not exist.
    """
    if kind not in PLATFORMS:
        raise InputError(f"platform {kind!r} does not exist; fix: use one of {', '.join(sorted(PLATFORMS))}")
    return PLATFORMS[kind]()


def prepare(site: Site, say: Callable[[str], None]) -> None:
    """Makes what takes minutes before any playbook waits for it in silence: kernels, disks, the parts of a cluster."""
    if any(machine.platform.kind == "vm" for machine in site.machines.values()):
        vm_image.ensure(site.platforms.vm.suite, say)
    if site.ovirt is not None:
        debian.ensure(site.platforms.ovirt.suite, say)
    if site.kubernetes is not None:
        from lab.inventory.kubernetes import wanted_addons  # here, for the inventory is made of platforms too
        from lab.kubernetes import artifacts, packed

        source = artifacts.Source(site.kubernetes.source.kind, site.kubernetes.source.from_ or "")
        packed.ensure(artifacts.ensure(source, site.kubernetes.version, wanted_addons(site.kubernetes), say), artifacts.CACHE)


def remove_all(machines: Mapping[str, Mapping[str, Any]], say: Callable[[str], None]) -> list[Change]:
    """Removes every machine, given as name -> its inventory variables; `say` is told of each.

    Machines on oVirt come first, for they need its engine to go; the router last, over which everything is reached.
    """
    changes = []
    for name in sorted(machines, key=lambda name: _turn(machines[name])):
        change = platform(machines[name]["machine_platform"]).remove(name, machines[name]["machine_spec"])
        if change.changed:
            say(f"{name}: removed")
            changes.append(change)
    return changes


def _turn(variables: Mapping[str, Any]) -> int:
    return 0 if variables["machine_platform"] == "ovirt" else 2 if variables["machine_spec"].get("uplink") else 1

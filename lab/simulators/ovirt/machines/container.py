"""Virtual machines that boot the disk they were given without a kernel of their own: quick, and not a test of a kernel.

All but the program in the machine's container is as with User Mode Linux: records, cables, migration, and what is asked of the guest.
"""

from __future__ import annotations

from pathlib import Path

from lab.simulators.ovirt.backend import Machine
from lab.simulators.ovirt.machines.uml import UmlMachines

NAME = "containers, which share the controller's kernel"
WITH_KERNEL, WITHOUT_KERNEL = "guest.run", "guest.box"


class ContainerMachines(UmlMachines):
    """The backend `container`. A machine's memory is not limited, and its processors are the controller's."""

    name = NAME

    def _words(self, container: str, machine: Machine, folder: Path, config_drive: Path | None) -> list[str]:
        words = super()._words(container, machine, folder, config_drive)
        return [WITHOUT_KERNEL if word == WITH_KERNEL else word for word in words]

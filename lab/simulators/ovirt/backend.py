"""What simulated hypervisors and their virtual machines really are. The simulator reports what a backend sees, never what was asked for."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lab.errors import LabError


class BackendError(LabError):
    """A machine could not be made to do something; the message becomes the engine's event."""


@dataclass(frozen=True)
class Attachment:
    """A logical network on a card of a hypervisor, and the hypervisor's address on it: `method` is static, dhcp, none or not said."""

    network: str
    nic: str
    method: str = ""
    address: str = ""
    netmask: str = ""
    gateway: str = ""


@dataclass(frozen=True)
class Hypervisor:
    """What a hypervisor is asked to be."""

    id: str
    name: str
    address: str
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True)
class HypervisorFacts:
    """What a hypervisor was found to be."""

    memory: int
    sockets: int = 1
    cores: int = 1
    threads: int = 1
    cpu_name: str = ""
    os_name: str = ""
    os_version: str = ""
    kernel_cmdline: str = ""
    nics: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Disk:
    """A disk of a machine: a file, and how to read it."""

    file: Path
    format: str
    is_bootable: bool
    size: int


@dataclass(frozen=True)
class Nic:
    """A network card: its own name in the engine, its address on the wire, and the network it is plugged into."""

    name: str
    mac: str
    network: str
    vlan: int | None = None
    is_linked: bool = True


@dataclass(frozen=True)
class Machine:
    """What a virtual machine is made of when it starts."""

    id: str
    name: str
    hypervisor: Hypervisor
    memory: int
    cpus: int
    disks: Sequence[Disk]
    nics: Sequence[Nic]


@dataclass(frozen=True)
class Room:
    """What an export has left, and what is used of it, in bytes."""

    available: int
    used: int


@dataclass(frozen=True)
class Seen:
    """What was seen of a machine just now; `state` is running, starting or gone."""

    state: str
    fqdn: str = ""
    devices: tuple[Mapping[str, Any], ...] = ()
    detail: str = ""
    guest: Mapping[str, str] = field(default_factory=dict)


class Backend(Protocol):
    """Machines by handle. A handle is text that survives a restart of the simulator; every method may be repeated."""

    name: str

    def add_hypervisor(self, hypervisor: Hypervisor) -> HypervisorFacts:
        """Makes the hypervisor be as it is asked to be, its networks too, and says what it is; raises BackendError."""

    def remove_hypervisor(self, hypervisor: Hypervisor) -> None:
        """Makes it not exist."""

    def is_reachable(self, hypervisor: Hypervisor) -> bool:
        """Whether it answers now."""

    def start(self, machine: Machine, config_drive: Path | None) -> str:
        """Starts a machine with a config-2 drive (a folder) if any, and returns its handle; raises BackendError."""

    def stop(self, handle: str, *, is_graceful: bool) -> None:
        """Ends a machine: by asking it, or by pulling the plug."""

    def reboot(self, handle: str) -> None:
        """Restarts a machine."""

    def migrate(self, handle: str, target: Hypervisor) -> None:
        """Moves a machine to another hypervisor; raises BackendError."""

    def forget(self, id: str) -> None:
        """Nothing is left of a machine that the engine has no more."""

    def held_still(self, handle: str) -> AbstractContextManager[None]:
        """Nothing of the machine moves meanwhile, so that its disks can be copied as they are."""

    def see(self, handle: str) -> Seen:
        """What the machine is and has now."""

    def check_export(self, address: str, path: str) -> Room:
        """Mounts an NFS export and writes to it as 36:36; raises BackendError with what was refused."""


class BackendForTests:
    """Machines that are only written down, for tests of the simulator itself and of clients: nothing boots.

    What it reports is what a test told it to report with `report`; a started machine has no address until then.
    """

    name = "for tests only: nothing boots"

    def __init__(self, memory: int = 64 * 1024**3) -> None:
        """Hypervisors have this much memory."""
        self.memory = memory
        self.room = Room(100 * 1024**3, 0)
        self.drives: dict[str, Path | None] = {}
        self.machines: dict[str, Machine] = {}
        self.places: dict[str, str] = {}
        self.refuses: dict[str, str] = {}
        self._seen: dict[str, Seen] = {}
        self._mutex = threading.Lock()

    def refuse(self, what: str, why: str) -> None:
        """From now on an operation (`start`, `migrate`, `add_hypervisor`, `check_export`) fails; with an empty reason no longer."""
        self.refuses[what] = why

    def report(self, handle: str, seen: Seen) -> None:
        """What is seen of a machine from now on."""
        with self._mutex:
            self._seen[handle] = seen

    def add_hypervisor(self, hypervisor: Hypervisor) -> HypervisorFacts:
        """Nothing is made; the facts say so."""
        self._may("add_hypervisor")
        nics = ({"name": "eth0", "mac": "00:00:5e:00:53:01"}, {"name": "eth1", "mac": "00:00:5e:00:53:02"})
        return HypervisorFacts(self.memory, 1, 8, 1, "none (test backend)", "none", "0", "", nics)

    def remove_hypervisor(self, hypervisor: Hypervisor) -> None:
        """There is nothing."""

    def is_reachable(self, hypervisor: Hypervisor) -> bool:
        """Unless a test says that it is not."""
        return "is_reachable" not in self.refuses or not self.refuses["is_reachable"]

    def start(self, machine: Machine, config_drive: Path | None) -> str:
        """Writes the machine down; every disk has to be a file."""
        self._may("start")
        if missing := [disk.file for disk in machine.disks if not disk.file.is_file()]:
            raise BackendError(f"disk {missing[0].name} of {machine.name} is not there")
        with self._mutex:
            self.machines[machine.id] = machine
            self.drives[machine.id] = config_drive
            self.places[machine.id] = machine.hypervisor.name
            self._seen.setdefault(machine.id, Seen("running"))
            if self._seen[machine.id].state == "gone":
                self._seen[machine.id] = Seen("running")
        return machine.id

    def stop(self, handle: str, *, is_graceful: bool) -> None:
        """Forgets the machine."""
        with self._mutex:
            self._seen[handle] = Seen("gone")

    def reboot(self, handle: str) -> None:
        """Nothing runs."""

    def migrate(self, handle: str, target: Hypervisor) -> None:
        """Writes down where it would be."""
        self._may("migrate")
        with self._mutex:
            self.places[handle] = target.name

    def forget(self, id: str) -> None:
        """Also what tests reported of it."""
        with self._mutex:
            self.machines.pop(id, None)
            self._seen.pop(id, None)

    def held_still(self, handle: str) -> AbstractContextManager[None]:
        """Nothing moves anyway."""
        return nullcontext()

    def see(self, handle: str) -> Seen:
        """What a test reported, or that it runs, or nothing known."""
        with self._mutex:
            return self._seen.get(handle, Seen("gone"))

    def check_export(self, address: str, path: str) -> Room:
        """No export is looked at."""
        self._may("check_export")
        return self.room

    def _may(self, what: str) -> None:
        if why := self.refuses.get(what):
            raise BackendError(why)

"""Virtual machines that boot the disk they were given, under User Mode Linux, each in a container of its own beside the hypervisors.

What is known of one is in a folder shared with its container, so that the simulator may end and begin while machines run. Container and
folder go when a machine is off; its console stays in the folder until its next start.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import private_file
from lab.errors import LabError
from lab.platforms.container import HARDWARE, OWNER
from lab.platforms.podman import inspect, podman, remove_container
from lab.simulators.ovirt.backend import BackendError, Hypervisor, HypervisorFacts, Machine, Nic, Room, Seen
from lab.simulators.ovirt.machines import cables, exports, image, namespaces
from lab.simulators.ovirt.machines.hypervisors import Hypervisors
from lab.simulators.ovirt.machines.spec import Spec
from lab.wait import wait_for

NAME = "User Mode Linux"
SIMULATOR, MACHINE = "strata.ovirt", "strata.ovirt.vm"  # labels: whose machine it is, and which
MEMORY = "/run/lab-vm"
TAP_HEADERS = 64  # MiB that User Mode Linux wants of the tmpfs besides the guest's memory
MIB = 1024**2
MTU = 1500  # of a card without a network
START_SECONDS = 60
SHUTDOWN_SECONDS = 180
UNPLUG_SECONDS = 20
WITHOUT_AGENT_SECONDS = 60  # after that an engine takes a machine for up although nobody in it says so


@dataclass
class Running:
    """A machine that was started: its first process, and the hypervisor it is on with that one's namespace."""

    container: str
    pid: int
    began: str
    since: float
    hypervisor: str
    namespace: int
    nics: list[dict[str, Any]]

    @property
    def is_alive(self) -> bool:
        """Whether its process still is that process."""
        return namespaces.began(self.pid) == self.began != ""


class UmlMachines:
    """The backend `vm`."""

    name = NAME

    def __init__(self, spec: Spec) -> None:
        """`spec` says where everything is."""
        self.spec = spec
        self.hypervisors = Hypervisors(spec)
        self._image = image.reference(spec.suite)  # the one made before this process began, whatever its recipe becomes meanwhile
        self._pids: dict[str, int] = {}
        self._mutex = threading.Lock()
        self._clearing = threading.Lock()

    def add_hypervisor(self, hypervisor: Hypervisor) -> HypervisorFacts:
        """Sets up its bridges."""
        return self.hypervisors.set_up(hypervisor)

    def remove_hypervisor(self, hypervisor: Hypervisor) -> None:
        """Takes its bridges away."""
        self.hypervisors.tear_down(hypervisor)

    def is_reachable(self, hypervisor: Hypervisor) -> bool:
        """Whether its machine runs."""
        return self._namespace(self.hypervisors.container(hypervisor)) != 0

    def start(self, machine: Machine, config_drive: Path | None) -> str:
        """Boots it on its hypervisor; one that a killed simulator had begun to start is gone on with."""
        folder = self._folder(machine.id)
        container = f"{self.spec.site}-{machine.name}"
        hypervisor = self.hypervisors.container(machine.hypervisor)
        pid = self.hypervisors.pid(hypervisor)
        bridges = self._bridges(machine.nics, pid, hypervisor)
        found = self._read(machine.id)
        if found and found.is_alive:
            return machine.id
        self._clear(machine.id)
        self._refuse_taken(container, machine)
        links = {link["ifname"]: link for link in namespaces.links(pid)}
        mtus = [links[bridge]["mtu"] if bridge else MTU for bridge in bridges]
        self._write_machine(folder, machine, mtus)
        podman(*self._words(container, machine, folder, config_drive))
        running = Running(container, 0, "", time.time(), hypervisor, namespaces.identity(pid), [vars(nic) for nic in machine.nics])
        try:
            running.pid = int(inspect(container)["State"]["Pid"])
            running.began = namespaces.began(running.pid)
            cables.prepare(running.pid, mtus)
            self._plug(running, machine.nics, pid, bridges)
            self._keep(machine.id, running)
            (folder / "plugged").touch()
            self._wait_until_it_boots(machine, folder, running)
        except LabError:
            self._clear(machine.id)
            raise
        return machine.id

    def stop(self, handle: str, *, is_graceful: bool) -> None:
        """Gracefully through its agent; raises BackendError where that is silent, or the guest does not end."""
        running = self._read(handle)
        if running and running.is_alive:
            if is_graceful:
                self._shut_down(handle, running)
            else:
                _signal(running, signal.SIGINT)
                with contextlib.suppress(LabError):  # what does not end by itself is removed
                    self._wait_for_end(running, UNPLUG_SECONDS)
        self._clear(handle)

    def reboot(self, handle: str) -> None:
        """Through its agent; the kernel starts again on the same disk."""
        running = self._read(handle)
        if not running or not running.is_alive:
            raise BackendError("the machine does not run")
        self._ask(handle, running, signal.SIGUSR1, "reboot")
        seen = self._folder(handle) / "seen.json"
        wait_for(
            f"machine in container {running.container} goes down to reboot",
            lambda: not seen.exists() or not running.is_alive,
            bool,
            SHUTDOWN_SECONDS,
        )
        self._keep(handle, Running(**vars(running) | {"since": time.time()}))

    def migrate(self, handle: str, target: Hypervisor) -> None:
        """Its cables go to the other hypervisor's bridges, where all of them have to be; the guest runs on."""
        running = self._read(handle)
        if not running or not running.is_alive:
            raise BackendError("the machine does not run")
        container = self.hypervisors.container(target)
        pid = self.hypervisors.pid(container)
        nics = [Nic(**each) for each in running.nics]
        self._plug(running, nics, pid, self._bridges(nics, pid, container))
        self._keep(handle, Running(**vars(running) | {"hypervisor": container, "namespace": namespaces.identity(pid)}))
        for number, nic in enumerate(nics):
            if nic.network and nic.is_linked:
                cables.tell_the_network(running.pid, number, nic, pid)

    def forget(self, id: str) -> None:
        """Its folder with its console."""
        self._clear(id)
        shutil.rmtree(self._folder(id), ignore_errors=True)

    @contextmanager
    def held_still(self, handle: str) -> Iterator[None]:
        """Frozen with the program that writes its disk; one that a killed simulator left frozen goes on here."""
        running = self._read(handle)
        if running is None or not running.is_alive:
            yield
            return
        if inspect(running.container)["State"]["Status"] != "paused":
            podman("pause", running.container)
        try:
            yield
        finally:
            podman("unpause", running.container)

    def see(self, handle: str) -> Seen:
        """What its agent says of it, where it runs; it is lost with its hypervisor's namespace."""
        running = self._read(handle)
        folder = self._folder(handle)
        if running and running.is_alive and self._namespace(running.hypervisor) != running.namespace:
            why = f"its hypervisor {running.hypervisor} went down"
            private_file.write(folder / "ended.json", json.dumps({"why": why}))  # an engine that cannot see the host asks again later
            self._clear(handle)
            return Seen("gone", detail=why)
        if running is None or not running.is_alive:
            if running:
                self._clear(handle)
            return Seen("gone", detail=_why(folder))
        with contextlib.suppress(FileNotFoundError, ValueError):
            said = json.loads((folder / "seen.json").read_text(encoding="utf-8"))
            return Seen("running", said["name"], tuple(said["devices"]), guest=said["guest"])
        return Seen("running" if time.time() - running.since > WITHOUT_AGENT_SECONDS else "starting")

    def check_export(self, address: str, path: str) -> Room:
        """From the first hypervisor that runs."""
        for container in sorted(self.spec.hypervisors.values()):
            if self._namespace(container):
                return exports.check(container, self._image, address, path)
        raise BackendError("no hypervisor's machine runs, so nobody can mount the export; fix: ./inv up starts them")

    def _folder(self, id: str) -> Path:
        return self.spec.folder / "machines" / id

    def _read(self, id: str) -> Running | None:
        try:
            return Running(**json.loads((self._folder(id) / "running.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def _keep(self, id: str, running: Running) -> None:
        private_file.write(self._folder(id) / "running.json", json.dumps(vars(running)))

    def _namespace(self, container: str) -> int:
        """A hypervisor's network namespace; 0 where its machine does not run. Podman is only asked when a process is gone."""
        with self._mutex:
            if not (found := namespaces.identity(self._pids.get(container, 0))):
                try:
                    self._pids[container] = self.hypervisors.pid(container)
                except BackendError:
                    return 0
                found = namespaces.identity(self._pids[container])
            return found

    def _bridges(self, nics: Sequence[Nic], pid: int, hypervisor: str) -> list[str]:
        """For each card that of its network on the hypervisor; empty for a card without a network."""
        return [self.hypervisors.bridge(pid, nic.network, hypervisor) if nic.network else "" for nic in nics]

    def _plug(self, running: Running, nics: Sequence[Nic], hypervisor: int, bridges: list[str]) -> None:
        for number, (nic, bridge) in enumerate(zip(nics, bridges, strict=True)):
            if bridge:
                cables.plug(running.pid, number, nic, hypervisor, bridge)

    def _refuse_taken(self, container: str, machine: Machine) -> None:
        taken = podman("ps", "--all", "--quiet", "--filter", f"name=^{container}$").strip()
        if taken:
            raise BackendError(
                f"container {container} is there already and is not machine {machine.name} of this engine"
                f"; fix: give the machine another name, or remove it: podman rm -f {container}"
            )

    def _write_machine(self, folder: Path, machine: Machine, mtus: list[int]) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        cards = [{"mac": nic.mac, "mtu": mtu} for nic, mtu in zip(machine.nics, mtus, strict=True)]
        disks = [{"file": f"/var/lib/images/{disk.file.name}", "format": disk.format} for disk in machine.disks]
        cpu = int(hashlib.sha256(machine.id.encode()).hexdigest()[:4], 16)
        described = {"memory_mib": machine.memory // MIB, "cpu": cpu, "disks": disks, "cards": cards}
        private_file.write(folder / "machine.json", json.dumps(described))

    def _words(self, container: str, machine: Machine, folder: Path, config_drive: Path | None) -> list[str]:
        """Podman's. Privileged: it mounts disks by FUSE and opens taps; alone in a network of its own until cables are plugged in."""
        words = ["run", "--detach", "--name", container, "--privileged", "--no-hosts", "--network=none", "--restart=no", "--pull=never"]
        labels = {HARDWARE: "ovirt", OWNER: self.spec.owner, SIMULATOR: str(self.spec.folder), MACHINE: machine.id}
        words += [f"--label={name}={value}" for name, value in labels.items()]
        words += ["--hostname", machine.name, "--log-driver", "k8s-file", "--log-opt", "max-size=1mb"]
        words += ["--env", f"TMPDIR={MEMORY}", "--env", "PYTHONPATH=/usr/lib/lab-ovirt", "--env", "PYTHONDONTWRITEBYTECODE=1"]
        words += ["--tmpfs", f"{MEMORY}:rw,exec,mode=0700,size={machine.memory // MIB + TAP_HEADERS}m"]
        mounts = {str(folder): "/run/lab-ovirt", str(image.FILES): "/usr/lib/lab-ovirt/guest:ro"}
        mounts |= {str(disk.file.parent): "/var/lib/images" for disk in machine.disks}
        mounts |= {str(config_drive): "/run/config-2:ro"} if config_drive else {}
        words += [word for source, place in mounts.items() for word in ("--volume", f"{source}:{place}")]
        return [*words, self._image, "/usr/bin/python3", "-m", "guest.run", "/run/lab-ovirt"]

    def _wait_until_it_boots(self, machine: Machine, folder: Path, running: Running) -> None:
        """Until the kernel says its first word, or why it cannot."""
        console = folder / "console.log"
        try:
            wait_for(
                f"machine {machine.name} begins to boot",
                lambda: console.exists() and console.stat().st_size > 0,
                bool,
                START_SECONDS,
                lambda _: not running.is_alive,
                0.1,
            )
        except LabError as error:
            raise BackendError(_why(folder) or str(error)) from None

    def _ask(self, handle: str, running: Running, sent: signal.Signals, what: str) -> None:
        if not (self._folder(handle) / "seen.json").exists():
            raise BackendError(
                f"the guest agent of the machine in container {running.container} does not answer, so nobody in it can be asked to {what}"
                "; fix: wait until it has booted, put qemu-guest-agent into its image, or power it off"
            )
        _signal(running, sent)

    def _shut_down(self, handle: str, running: Running) -> None:
        """A guest that was asked before a kill of the simulator is only waited for: it may not answer any more."""
        asked = self._folder(handle) / "asked"
        if not asked.exists():
            self._ask(handle, running, signal.SIGTERM, "shut down")
            asked.touch()
        try:
            self._wait_for_end(running, SHUTDOWN_SECONDS)
        except LabError:
            asked.unlink()
            raise

    def _wait_for_end(self, running: Running, seconds: float) -> None:
        wait_for(f"machine in container {running.container} ends", lambda: running.is_alive, lambda lives: not lives, seconds)

    def _clear(self, id: str) -> None:
        """Removes a machine's container, also one that still runs; its console stays."""
        with self._clearing:  # one that ends is noticed by whoever waits for it and by whoever watches all
            for name in containers(self.spec, id):
                remove_container(name)
            (self._folder(id) / "running.json").unlink(missing_ok=True)


def containers(spec: Spec, id: str = "") -> list[str]:
    """The names of the containers of this simulator's machines, or of one machine's."""
    chosen = f"label={MACHINE}={id}" if id else f"label={SIMULATOR}={spec.folder}"
    return podman("ps", "--all", "--format", "{{.Names}}", "--filter", chosen).split()


def _signal(running: Running, sent: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        if running.is_alive:
            os.kill(running.pid, sent)


def _why(folder: Path) -> str:
    with contextlib.suppress(FileNotFoundError, ValueError):
        return str(json.loads((folder / "ended.json").read_text(encoding="utf-8"))["why"])
    return ""

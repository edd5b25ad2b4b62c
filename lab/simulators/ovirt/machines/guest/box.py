"""The first process of a virtual machine's container where the machine shares the controller's kernel: `python3 -m guest.box FOLDER`.

Instead of a kernel, systemd-nspawn boots what is on the disk: its root partition is mounted through a loop device, so that what the guest
writes is in the engine's disk as with a kernel of its own. Its cards are ends of cables in a network namespace that is the guest's alone,
the config-2 drive is where cloud-init looks for one in a container, and the image's own guest agent answers on a socket.
Files and signals are those of `guest.run`.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .agent import Agent, Silent
from .disks import SECTOR, DiskError, Export, root_partition
from .run import DRIVE, MEMORY, Guest, _wait_for, _write

ROOT, TOLD = MEMORY / "root", MEMORY / "told"
NETWORK = "guest"
SEED = "/var/lib/cloud/seed/config_drive"
IN_GUEST = "/run/lab-agent"
UNIT = "lab-guest-agent.service"
NO_CHANGE = 1  # of growpart: the partition is as large as it can be
MENDED = 1  # of e2fsck
EXT_AT, EXT = 1024 + 56, b"\x53\xef"  # where the file systems ext2 to ext4 say that they are one
END_SECONDS = 20.0
REBOOTS = 133  # of systemd-nspawn: its guest wants to be started again


class SocketAgent(Agent):
    """An agent that listens on a socket; every question has a line of its own, as the guest may have been rebooted since the last."""

    def __init__(self, file: Path) -> None:
        """`file` is made by the agent."""
        super().__init__(socket.socket(socket.AF_UNIX))
        self._line.close()
        self._file = file

    def ask(self, command: str, arguments: dict[str, Any] | None = None, seconds: float = 5.0) -> Any:
        """As of any agent; raises Silent also where nobody listens."""
        with socket.socket(socket.AF_UNIX) as line:
            try:
                line.connect(str(self._file))
            except OSError:
                raise Silent from None
            line.setblocking(False)
            self._line, self._buffer = line, b""
            return super().ask(command, arguments, seconds)


class Box(Guest):
    """One guest, from its boot to its end."""

    def run(self) -> str:
        """Mounts its disk and boots what is on it; returns why it ended. Raises DiskError also where there are others besides."""
        if len(self.machine["disks"]) != 1:
            fix = "give it one, or choose backend vm for the engine"
            raise DiskError(f"it has {len(self.machine['disks'])} disks, and without a kernel of its own it can be given one; fix: {fix}")
        disks = Export(MEMORY / "disks", self.machine["disks"])
        try:
            with mounted(disks.files[0]):
                _wait_for(self.folder / "plugged")
                plug_in(self.machine["cards"])
                code, last = self._boot_systemd()
                while code == REBOOTS and not self.is_unplugged:
                    code, last = self._boot_systemd()
        finally:
            disks.close()
        if self.is_unplugged:
            return "powered off"
        return (
            f"the guest's systemd ended with code {code}: {' | '.join(list(last)[-3:])}" if code else "User shut down from within the guest"
        )

    def _boot_systemd(self) -> tuple[int, deque[str]]:
        """One run of the guest: exit code and the console's last lines."""
        TOLD.mkdir(exist_ok=True)
        unit = MEMORY / UNIT
        unit.write_text(
            "[Unit]\nDescription=QEMU guest agent on a socket\n[Service]\nRestart=always\nRestartSec=1\n"
            f"ExecStartPre=rm -f {IN_GUEST}/agent\nExecStart=qemu-ga --method=unix-listen --path={IN_GUEST}/agent\n",
            encoding="utf-8",
        )
        last: deque[str] = deque(maxlen=20)
        self._kernel = subprocess.Popen(nspawn(unit), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        reader = threading.Thread(target=self._read_console, args=(self._kernel, last), daemon=True)
        reader.start()
        self._attend(SocketAgent(TOLD / "agent"), self._kernel)
        code = self._kernel.wait()
        reader.join(5)
        (self.folder / "seen.json").unlink(missing_ok=True)
        return code, last


@contextlib.contextmanager
def mounted(disk: Path) -> Iterator[None]:
    """The root file system of a disk (a plain file) at ROOT, grown to the disk first; raises DiskError."""
    ROOT.mkdir(exist_ok=True)
    with attached(disk, *root_place(disk)) as device:
        if is_ext(device):
            # Before it is mounted: afterwards that takes a privilege a container may not have.
            _call(["e2fsck", "-f", "-p", device], allowed=(0, MENDED))
            _call(["resize2fs", device])
        _call(["mount", device, str(ROOT)])
    try:
        yield
    finally:
        limit = time.monotonic() + END_SECONDS
        while subprocess.run(["umount", str(ROOT)], capture_output=True, check=False).returncode and time.monotonic() < limit:
            time.sleep(0.1)  # the guest's last processes are still going


@contextlib.contextmanager
def attached(disk: Path, start: int, size: int) -> Iterator[str]:
    """A loop device of a part of the disk, which is there as long as it is open or mounted, and ends with this process at the latest."""
    fix = "; fix: is there a free loop device on the controller? else choose backend vm, which needs none"
    device = _call(["losetup", "--find", "--show", f"--offset={start}", f"--sizelimit={size}", str(disk)], more=fix).strip()
    with Path(device).open("rb"):
        _call(["losetup", "--detach", device])  # it is open, so this waits for its last user
        yield device


def is_ext(device: str) -> bool:
    """Whether there is a file system of the kinds ext2 to ext4."""
    with Path(device).open("rb") as stream:
        stream.seek(EXT_AT)
        return stream.read(2) == EXT


def root_place(disk: Path) -> tuple[int, int]:
    """Where the root file system begins and how long it may be, in bytes, after its partition was grown to the disk."""
    if not (number := root_partition(disk)):
        return 0, disk.stat().st_size
    _call(["growpart", str(disk), str(number)], allowed=(0, NO_CHANGE))
    return place(disk, number)


def place(disk: Path, number: int) -> tuple[int, int]:
    """Where a partition begins and how long it is, in bytes."""
    table = json.loads(_call(["sfdisk", "--json", str(disk)]))["partitiontable"]
    found = next(each for each in table["partitions"] if each["node"] in (f"{disk}{number}", f"{disk}p{number}"))
    return found["start"] * SECTOR, found["size"] * SECTOR


def plug_in(cards: list[dict[str, Any]]) -> None:
    """Where a guest with a kernel has a tap, this one has a cable, whose other end is its card."""
    _call(["ip", "netns", "add", NETWORK])
    for number, card in enumerate(cards):
        _call(["ip", "link", "delete", "dev", f"tap{number}"])
        end = ["peer", "name", f"eth{number}", "address", card["mac"], "mtu", str(card["mtu"]), "netns", NETWORK]
        _call(["ip", "link", "add", "name", f"tap{number}", "mtu", str(card["mtu"]), "type", "veth", *end])
        _call(["ip", "link", "set", "dev", f"tap{number}", "master", f"bridge{number}", "up"])


def nspawn(unit: Path) -> list[str]:
    """The command that boots ROOT. What a kernel of its own would have is kept out: /sys is read-only, devices are its own."""
    words = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--machine=guest", f"--directory={ROOT}"]
    words += [f"--network-namespace-path=/run/netns/{NETWORK}", "--capability=CAP_NET_ADMIN", "--console=read-only"]
    words += ["--resolv-conf=off", "--timezone=off", "--link-journal=no"]
    words += [f"--bind={TOLD}:{IN_GUEST}", f"--bind-ro={unit}:/etc/systemd/system/{UNIT}"]
    words += [f"--bind-ro={DRIVE}:{SEED}"] if DRIVE.is_dir() else []
    # The guest's fstab names its disk, which is mounted already and has no such name in here.
    return [*words, "--boot", f"systemd.wants={UNIT}", "systemd.mask=systemd-remount-fs.service"]


def _call(words: list[str], allowed: tuple[int, ...] = (0,), more: str = "") -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode not in allowed:
        said = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise DiskError(f"{' '.join(words[:2])}: {said}{more or '; fix: is this a disk of Linux for amd64?'}")
    return done.stdout


def main(folder: Path) -> int:
    """Returns 0 where the guest powered off."""
    box = Box(folder)
    signal.signal(signal.SIGTERM, lambda *_: box.asked.append("powerdown"))
    signal.signal(signal.SIGUSR1, lambda *_: box.asked.append("reboot"))
    signal.signal(signal.SIGINT, lambda *_: box.unplug())
    try:
        why, code = box.run(), 0
    except DiskError as error:
        why, code = str(error), 1
    with contextlib.suppress(FileNotFoundError):  # the simulator may have cleared the folder already
        _write(folder / "ended.json", {"why": why})
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

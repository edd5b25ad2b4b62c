"""The first process of a virtual machine's container: shows its disks, boots its kernel, and asks its guest agent what it is.

`python3 -m guest.run FOLDER`, with FOLDER/machine.json: `{memory_mib, cpu, disks: [{file, format}], macs: [..]}`, and the files of a
config-2 drive in /run/config-2 where there are any. It waits for FOLDER/plugged (the cards are plugged in from outside), writes
FOLDER/seen.json while the guest runs, FOLDER/console.log, and FOLDER/ended.json when it ended. SIGTERM has the guest power off, SIGUSR1
reboot; SIGINT pulls the plug.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from .agent import Agent, Silent, look
from .disks import DiskError, Export, config_drive, root_partition

MEMORY = Path("/run/lab-vm")  # a tmpfs of the guest's size
DRIVE = Path("/run/config-2")
KERNEL = "/usr/lib/lab-ovirt/linux"
LONGEST_COMMAND = 2000  # arch/um/include/asm/setup.h: 2048 with what the kernel itself adds
LOOK_SECONDS = 1.0
PLUG_SECONDS = 60.0
LONGEST_CONSOLE = 2 * 1024**2
REBOOTS = "reboot: Restarting system"
POWERED_OFF = ("reboot: Power down", "reboot: System halted")


class Guest:
    """One guest, from its boot to its end."""

    def __init__(self, folder: Path) -> None:
        """`folder` is shared with the simulator."""
        self.folder = folder
        self.machine: dict[str, Any] = json.loads((folder / "machine.json").read_text(encoding="utf-8"))
        self.asked: deque[str] = deque()
        self.is_unplugged = False
        self._kernel: subprocess.Popen[bytes] | None = None

    def run(self) -> str:
        """Boots it, again after every reboot; returns why it ended."""
        disks = Export(MEMORY / "disks", self.machine["disks"])
        try:
            words = self._words(disks.files)
            _wait_for(self.folder / "plugged")
            while True:
                last = self._boot(words)
                if self.is_unplugged:
                    return "powered off"
                if not any(REBOOTS in line for line in last):
                    break
        finally:
            disks.close()
        if any(word in line for line in last for word in POWERED_OFF):
            return "User shut down from within the guest"
        return f"the guest's kernel ended: {' | '.join(line for line in list(last)[-3:])}"

    def unplug(self) -> None:
        """At once, from a signal."""
        self.is_unplugged = True
        if self._kernel:
            self._kernel.kill()

    def _words(self, disks: list[Path]) -> list[str]:
        """The kernel's command line; a disk is named as its place says, and config-2 comes last."""
        partition = root_partition(disks[0])
        words = [f"mem={self.machine['memory_mib']}M", f"root=/dev/ubda{partition or ''}", "rw", "seccomp=on", "noreboot", "panic=5"]
        words += ["con=null", "con0=null,fd:1", "dummy.numdummies=0", "bonding.max_bonds=0", "systemd.wants=guest-agent@ttyS0.service"]
        words += [f"ubd{number}={file}" for number, file in enumerate(disks)]
        if DRIVE.is_dir():
            config_drive(DRIVE, MEMORY / "config-2.iso")
            words.append(f"ubd{len(disks)}r={MEMORY / 'config-2.iso'}")
        for number, card in enumerate(self.machine["cards"]):
            words.append(f"vec{number}:transport=tap,ifname=tap{number},depth=128,gro=1,mac={card['mac']},mtu={card['mtu']}")
            words.append(f"ifname=eth{number}:{card['mac']}")  # as on other hypervisors with net.ifnames=0
        if len(" ".join(words)) > LONGEST_COMMAND:
            raise DiskError(f"its disks and cards make a kernel command line longer than {LONGEST_COMMAND}; fix: give it fewer")
        return words

    def _boot(self, words: list[str]) -> deque[str]:
        """One run of the kernel; returns the last lines of its console."""
        ours, theirs = socket.socketpair()
        command = ["taskset", "-c", str(self.machine["cpu"] % (os.cpu_count() or 1)), KERNEL, *words, f"ssl0=fd:{theirs.fileno()}"]
        self._kernel = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, pass_fds=[theirs.fileno()])
        theirs.close()
        ours.setblocking(False)
        last: deque[str] = deque(maxlen=20)
        reader = threading.Thread(target=self._read_console, args=(self._kernel, last), daemon=True)
        reader.start()
        self._attend(Agent(ours), self._kernel)
        self._kernel.wait()
        reader.join(5)
        ours.close()
        (self.folder / "seen.json").unlink(missing_ok=True)
        return last

    def _attend(self, agent: Agent, kernel: subprocess.Popen[bytes]) -> None:
        """Until the kernel ends: keeps what the guest says of itself, and hands on what it is asked to do."""
        said = ""
        while kernel.poll() is None:
            try:
                if self.asked:
                    agent.tell("guest-shutdown", {"mode": self.asked.popleft()})
                _write(self.folder / "seen.json", look(agent))
            except Silent:
                (self.folder / "seen.json").unlink(missing_ok=True)
            except (RuntimeError, KeyError, OSError) as error:
                if str(error) != said:
                    said = str(error)
                    print(f"guest agent: {said}", file=sys.stderr, flush=True)
            limit = time.monotonic() + LOOK_SECONDS
            while kernel.poll() is None and not self.asked and time.monotonic() < limit:
                time.sleep(0.05)

    def _read_console(self, kernel: subprocess.Popen[bytes], last: deque[str]) -> None:
        """Into a file, which begins again when it has grown; a console never holds its guest up."""
        assert kernel.stdout is not None  # noqa: S101 - asked for above
        with (self.folder / "console.log").open("ab") as console:
            for line in kernel.stdout:
                if console.tell() > LONGEST_CONSOLE:
                    console.truncate(0)
                console.write(line)
                console.flush()
                if text := line.decode(errors="replace").strip():
                    last.append(text)


def _wait_for(file: Path) -> None:
    limit = time.monotonic() + PLUG_SECONDS
    while not file.exists():
        if time.monotonic() > limit:
            raise DiskError("its cards were not plugged in; fix: is the simulator still running? start the machine again")
        time.sleep(0.05)


def _write(file: Path, content: dict[str, Any]) -> None:
    new = file.with_suffix(".new")
    new.write_text(json.dumps(content), encoding="utf-8")
    new.replace(file)


def main(folder: Path) -> int:
    """Returns 0 where the guest powered off."""
    guest = Guest(folder)
    signal.signal(signal.SIGTERM, lambda *_: guest.asked.append("powerdown"))
    signal.signal(signal.SIGUSR1, lambda *_: guest.asked.append("reboot"))
    signal.signal(signal.SIGINT, lambda *_: guest.unplug())
    try:
        why = guest.run()
    except DiskError as error:
        _write(folder / "ended.json", {"why": str(error)})
        return 1
    _write(folder / "ended.json", {"why": why})
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

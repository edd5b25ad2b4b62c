"""A virtual machine's disks as User Mode Linux can read them: plain files, whatever they are on the engine's storage."""

from __future__ import annotations

import struct
import subprocess
import time
from pathlib import Path
from typing import Any

SECTOR = 512
ROOT_TYPES = ("4f68bce3-e8cd-4db1-96e7-fbcaf984b709",)  # Linux root (x86-64)
LINUX_TYPE = "0fc63daf-8483-4772-8e79-3d69d8477de4"
MBR_LINUX = 0x83
START_SECONDS = 30.0


class DiskError(Exception):
    """A disk cannot be shown or read; the message has cause and fix."""


class Export:
    """A process that shows images as plain files, by FUSE: every write of the guest is in the image at once."""

    def __init__(self, folder: Path, disks: list[dict[str, str]]) -> None:
        """Starts it and waits until every file has its disk's size. `disks` are `{file, format}`; raises DiskError."""
        folder.mkdir(parents=True, exist_ok=True)
        self.files = [folder / f"disk{number}" for number in range(len(disks))]
        words = ["qemu-storage-daemon"]
        for number, disk in enumerate(disks):
            self.files[number].touch()
            name, format = f"disk{number}", disk["format"]
            source = f"file.driver=file,file.filename={disk['file'].replace(',', ',,')}"
            words += ["--blockdev", f"driver={format},node-name={name},discard=unmap,detect-zeroes=unmap,{source}"]
            words += ["--export", f"type=fuse,id={name},node-name={name},mountpoint={self.files[number]},writable=on"]
        self._child = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        limit = time.monotonic() + START_SECONDS
        while any(file.stat().st_size == 0 for file in self.files):
            if self._child.poll() is not None or time.monotonic() > limit:
                self._child.kill()
                said = (self._child.stderr.read() if self._child.stderr else "").strip().splitlines()
                cause = said[-1] if said else "it did not come up"
                raise DiskError(f"the disk cannot be shown as a file: {cause}; fix: is /dev/fuse on the controller (modprobe fuse)?")
            time.sleep(0.05)

    def close(self) -> None:
        """Writes what is in memory and ends."""
        self._child.terminate()
        try:
            self._child.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()


def root_partition(file: Path) -> int:
    """The number of the partition to boot from; 0 where the whole disk is the file system.

    That of type "root" wins, then the largest one of Linux. Raises DiskError where there are partitions, and none of them fits.
    """
    with file.open("rb") as stream:
        first = stream.read(2 * SECTOR)
        if first[SECTOR : SECTOR + 8] == b"EFI PART":
            start, count, size = struct.unpack_from("<QII", first, SECTOR + 72)
            stream.seek(start * SECTOR)
            found = _gpt(stream.read(count * size), size)
        elif first[510:512] == b"\x55\xaa":
            found = _mbr(first)
        else:
            return 0
    if not found:
        raise DiskError("the disk has partitions, and none of them is one of Linux; fix: make the image with a root partition")
    return max(found)[1]


def _gpt(table: bytes, size: int) -> list[tuple[Any, int]]:
    found = []
    for number in range(len(table) // size):
        entry = table[number * size : (number + 1) * size]
        kind = _guid(entry[:16])
        first, last = struct.unpack_from("<QQ", entry, 32)
        if kind in (*ROOT_TYPES, LINUX_TYPE):
            found.append(((kind in ROOT_TYPES, last - first), number + 1))
    return found


def _mbr(sector: bytes) -> list[tuple[Any, int]]:
    entries = [sector[446 + 16 * number : 462 + 16 * number] for number in range(4)]
    return [(struct.unpack_from("<I", entry, 12)[0], number + 1) for number, entry in enumerate(entries) if entry[4] == MBR_LINUX]


def _guid(raw: bytes) -> str:
    first, second, third = struct.unpack_from("<IHH", raw)
    return f"{first:08x}-{second:04x}-{third:04x}-{raw[8:10].hex()}-{raw[10:].hex()}"


def config_drive(folder: Path, file: Path) -> None:
    """The ISO the engine makes of a config-2 drive's files; raises DiskError."""
    words = ["xorrisofs", "-quiet", "-V", "config-2", "-J", "-R", "-o", str(file), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DiskError(f"config-2: {done.stderr.strip()}; fix: is the controller's disk full?")

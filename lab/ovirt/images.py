"""Disk images on this computer: what they are, and whether they are whole, before a byte is sent."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lab.errors import InputError

QCOW2 = b"QFI\xfb"
BLOCK = 4 * 1024**2
NOTHING = bytes(BLOCK)
ALIGNMENT = 4096  # hypervisors write their storage in such blocks, so what is sent is padded to them
# What people give by mistake, by its first bytes.
MISTAKES = {
    b"\x1f\x8b": "compressed with gzip: gunzip it",
    b"\xfd7zXZ": "compressed with xz: unxz it",
    b"BZh": "compressed with bzip2: bunzip2 it",
    b"PK\x03\x04": "a zip archive: unpack it",
    b"KDMV": "a VMware disk: qemu-img convert -O qcow2 it",
    b"<": "a web page, most likely an error instead of the download: download it again",
}


@dataclass(frozen=True)
class Image:
    """A whole image. `size` is of the file, `sent` what travels (padded with zeros), `virtual` what the guest sees."""

    file: Path
    format: Literal["cow", "raw"]
    size: int
    virtual: int
    sha256: str

    @property
    def sent(self) -> int:
        """Bytes that travel."""
        return -(-self.size // ALIGNMENT) * ALIGNMENT

    def blocks(self, start: int = 0, length: int = BLOCK) -> Iterator[bytes]:
        """What travels from `start` on."""
        with self.file.open("rb") as file:
            file.seek(min(start, self.size))
            at = start
            while at < self.sent:
                count = min(length, self.sent - at)
                yield file.read(count).ljust(count, b"\0")
                at += count


def examine(file: Path, announced: str | None = None) -> Image:
    """The image in a file.

    Raises InputError where it is no image, is not whole, or is not the announced one.
    """
    try:
        with file.open("rb") as opened:
            head = opened.read(512)
            size = file.stat().st_size
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); fix: build or download the image") from None
    virtual = qcow2_size(file, head, size) if head.startswith(QCOW2) else raw_size(file, head, size)
    found = sha256(file)
    if announced and found != announced:
        raise InputError(
            f"{file}: has {size} bytes with sha256 {found}, announced is {announced}; "
            "fix: it is not whole or another image: download it again, or announce what it is"
        )
    return Image(file, "cow" if head.startswith(QCOW2) else "raw", size, virtual, found)


def qcow2_size(file: Path, head: bytes, size: int) -> int:
    """The size the guest sees, from the header; tables that lie behind the end of the file show that it was cut off."""
    if len(head) < 104:
        raise InputError(f"{file}: ends after {size} bytes, inside its own header; fix: download it again")
    version, backing = struct.unpack(">IQ", head[4:16])
    virtual, encrypted, l1_entries, l1_at, refcounts_at, refcount_clusters = struct.unpack(">QIIQQI", head[24:60])
    cluster = 1 << struct.unpack(">I", head[20:24])[0]
    if version not in (2, 3):
        raise InputError(f"{file}: is qcow2 of version {version}; fix: qemu-img convert -O qcow2 it")
    if backing:
        raise InputError(f"{file}: is only the difference to another image; fix: qemu-img convert -O qcow2 it, which makes it whole")
    if encrypted:
        raise InputError(f"{file}: is encrypted, which the engine cannot boot; fix: qemu-img convert it without encryption")
    end = max(l1_at + 8 * l1_entries, refcounts_at + cluster * refcount_clusters)
    if end > size:
        raise InputError(f"{file}: has {size} bytes, but its own tables end at {end}: it is cut off; fix: download it again")
    return int(virtual)


def raw_size(file: Path, head: bytes, size: int) -> int:
    """A raw disk has a boot sector; anything else is a mistake that would only show when the VM does not boot."""
    for magic, what in MISTAKES.items():
        if head.startswith(magic):
            raise InputError(f"{file}: is no disk image but {what.partition(':')[0]}; fix: {what.partition(': ')[2]}")
    if len(head) < 512 or head[510:512] != b"\x55\xaa":
        raise InputError(f"{file}: is neither qcow2 nor a raw disk with a partition table; fix: give a qcow2 or raw image of a whole disk")
    return -(-size // ALIGNMENT) * ALIGNMENT


def sha256(file: Path) -> str:
    """Of the file as it is."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


EMPTY_BLOCK = hashlib.blake2b(NOTHING, digest_size=32).digest()  # most blocks of most disks


class BlockHash:
    """The checksum that imageio computes of an image: a hash of the hashes of its blocks, so that holes cost nothing there."""

    ALGORITHM = "blake2b"

    def __init__(self) -> None:
        self._whole = hashlib.blake2b(digest_size=32)
        self._pending = b""

    def update(self, data: bytes) -> None:
        """The next bytes, in pieces of any size."""
        self._pending += data
        while len(self._pending) >= BLOCK:
            self._add(self._pending[:BLOCK])
            self._pending = self._pending[BLOCK:]

    def hexdigest(self) -> str:
        """Of everything so far; nothing may come after."""
        if self._pending:
            self._add(self._pending)
            self._pending = b""
        return self._whole.hexdigest()

    def _add(self, block: bytes) -> None:
        self._whole.update(EMPTY_BLOCK if block == NOTHING else hashlib.blake2b(block, digest_size=32).digest())


def block_hash(blocks: Iterator[bytes]) -> str:
    """Of a whole stream."""
    whole = BlockHash()
    for block in blocks:
        whole.update(block)
    return whole.hexdigest()

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from lab.errors import InputError
from lab.ovirt.images import BLOCK, BlockHash, block_hash, examine

MIB = 1024**2


def qcow2(file: Path, *words: str, size: str = "64M") -> Path:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *words, str(file), size], check=True)
    return file


def raw(file: Path, size: int = MIB) -> Path:
    file.write_bytes(bytes(510) + b"\x55\xaa" + bytes(size - 512))
    return file


def test_a_qcow2_image_says_what_the_guest_will_see(tmp_path: Path) -> None:
    image = examine(qcow2(tmp_path / "a.qcow2"))
    assert (image.format, image.virtual, image.size) == ("cow", 64 * MIB, (tmp_path / "a.qcow2").stat().st_size)


def test_a_raw_image_is_as_large_as_its_file_in_whole_blocks(tmp_path: Path) -> None:
    image = examine(raw(tmp_path / "a.raw", MIB + 512))
    assert (image.format, image.virtual, image.sent) == ("raw", MIB + 4096, MIB + 4096)
    assert b"".join(image.blocks()) == (tmp_path / "a.raw").read_bytes() + bytes(4096 - 512)


def test_what_travels_can_begin_anywhere(tmp_path: Path) -> None:
    file = tmp_path / "a.raw"
    file.write_bytes(bytes(510) + b"\x55\xaa" + b"x" * (2 * BLOCK))
    image = examine(file)
    assert b"".join(image.blocks(BLOCK)) == b"".join(image.blocks())[BLOCK:]


def truncated(file: Path) -> Path:
    # A grown image has its tables behind its data, as those that were converted or written by a build have.
    qcow2(file, "-o", "preallocation=full", size="2M")
    content = bytearray(file.read_bytes())
    content[40:48] = (len(content) - 64).to_bytes(8, "big")
    file.write_bytes(content[: len(content) // 2])
    return file


def text(content: bytes) -> bytes:
    return content.ljust(1024, b" ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            text(b"<!DOCTYPE html><title>404"),
            "is no disk image but a web page, most likely an error instead of the download; fix: download it",
        ),
        (text(b"\x1f\x8b\x08"), "is no disk image but compressed with gzip; fix: gunzip it"),
        (text(b"\xfd7zXZ\x00"), "is no disk image but compressed with xz; fix: unxz it"),
        (text(b"KDMV"), "is no disk image but a VMware disk; fix: qemu-img convert"),
        (text(b"hello"), "is neither qcow2 nor a raw disk with a partition table; fix: give"),
        (b"", "is neither qcow2 nor a raw disk"),
        (b"QFI\xfb\0\0\0\x03", "ends after 8 bytes, inside its own header; fix: download it again"),
    ],
)
def test_what_is_no_image_is_refused_before_a_byte_is_sent(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "disk.img"
    file.write_bytes(content)
    with pytest.raises(InputError, match=rf"^{file}: {message}"):
        examine(file)


def test_an_image_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"but its own tables end at \d+: it is cut off; fix: download it again"):
        examine(truncated(tmp_path / "a.qcow2"))


def test_an_image_that_needs_another_is_refused(tmp_path: Path) -> None:
    base = qcow2(tmp_path / "base.qcow2")
    file = qcow2(tmp_path / "a.qcow2", "-b", str(base), "-F", "qcow2")
    with pytest.raises(InputError, match="is only the difference to another image; fix: qemu-img convert"):
        examine(file)


def test_an_image_that_is_not_the_announced_one_is_refused_with_both_checksums(tmp_path: Path) -> None:
    file = raw(tmp_path / "a.raw")
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(InputError, match=rf"has {MIB} bytes with sha256 {found}, announced is {'0' * 64}; fix: "):
        examine(file, "0" * 64)
    assert examine(file, found).sha256 == found


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing.qcow2: cannot be read \(No such file or directory\); fix: build or download"):
        examine(tmp_path / "nothing.qcow2")


@pytest.mark.parametrize("size", [0, 1, 4096, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 4096])
def test_the_checksum_is_the_one_that_imageio_computes(tmp_path: Path, size: int) -> None:
    blkhash = pytest.importorskip("ovirt_imageio._internal.blkhash")
    file = tmp_path / "image"
    file.write_bytes(b"\0" * (size // 2) + b"x" * (size - size // 2))
    assert block_hash(iter([file.read_bytes()])) == blkhash.checksum(str(file))["checksum"]


def test_the_checksum_does_not_depend_on_the_pieces() -> None:
    data = bytes(range(256)) * 40000
    pieces = BlockHash()
    for at in range(0, len(data), 100003):
        pieces.update(data[at : at + 100003])
    assert pieces.hexdigest() == block_hash(iter([data]))

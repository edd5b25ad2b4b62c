"""GRUB's two numbers, and that nothing else of a disk is touched."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from lab.images.recipe import boot_sector

BOOT = b"\x90" * 512
CORE = b"\xcc" * 1500
TABLE = b"T" * 72  # disk's signature, partitions, 55aa


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    (tmp_path / "boot.img").write_bytes(BOOT)
    (tmp_path / "core.img").write_bytes(CORE)
    (tmp_path / "disk").write_bytes(bytes(440) + TABLE + bytes(20 * 512))
    return tmp_path / "disk"


def install(disk: Path, sectors: int) -> bytes:
    boot_sector.install(disk, disk.with_name("boot.img"), disk.with_name("core.img"), 8, sectors)
    return disk.read_bytes()


def test_the_boot_sector_knows_where_the_core_begins_and_the_core_where_it_goes_on(disk: Path) -> None:
    found = install(disk, 3)
    assert struct.unpack_from("<Q", found, 0x5C) == (8,)
    assert struct.unpack_from("<Q", found, 8 * 512 + 0x1F4) == (9,)
    assert found[8 * 512 + 0x1F4 + 8 : 8 * 512 + 1500] == CORE[0x1F4 + 8 :]


def test_the_partition_table_and_what_is_behind_the_core_stay(disk: Path) -> None:
    found = install(disk, 3)
    assert found[440:512] == TABLE
    assert found[8 * 512 + 1500 :] == bytes(21 * 512 - 8 * 512 - 1500)
    assert len(found) == 21 * 512


def test_a_core_that_is_larger_than_its_partition_is_refused_and_nothing_written(disk: Path) -> None:
    before = disk.read_bytes()
    with pytest.raises(SystemExit, match=r"core.img: 1500 bytes do not fit into 2 sectors; fix: fewer modules"):
        install(disk, 2)
    assert disk.read_bytes() == before

"""Puts GRUB's first sector and its core on a disk of a file, as grub-install would on a device: boot_sector.py DISK BOOT CORE START SECTORS

START and SECTORS are those of the BIOS boot partition. Two numbers are written into GRUB: the boot sector has to know where the core
begins (8 bytes at 0x5c), and the core's own first sector where the rest of it is (8 bytes at 0x1f4).
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

SECTOR = 512
CODE = 440  # what is behind it in the first sector is the partition table's
CORE_AT = 0x5C
REST_AT = 0x1F4


def patched(boot: bytes, core: bytes, start: int) -> tuple[bytes, bytes]:
    """The boot sector's code and the core, knowing that the core begins at sector `start`."""
    sector, image = bytearray(boot), bytearray(core)
    struct.pack_into("<Q", sector, CORE_AT, start)
    struct.pack_into("<Q", image, REST_AT, start + 1)
    return bytes(sector[:CODE]), bytes(image)


def install(disk: Path, boot: Path, core: Path, start: int, sectors: int) -> None:
    """Writes both where they belong; raises SystemExit where the core is larger than its partition."""
    code, image = patched(boot.read_bytes(), core.read_bytes(), start)
    if len(image) > sectors * SECTOR:
        sys.exit(f"{core}: {len(image)} bytes do not fit into {sectors} sectors; fix: fewer modules, or a larger BIOS boot partition")
    with disk.open("r+b") as file:
        file.write(code)
        file.seek(start * SECTOR)
        file.write(image)


if __name__ == "__main__":
    install(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))

"""The programs of a set as nodes get them: compressed, for what a small machine takes longest for is bytes over SSH.

An archive is called by the checksum of the program in it, so that programs which several sets have are packed once.
"""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

from lab.errors import LabError
from lab.kubernetes.manifest import Artifacts
from lab.platforms.podman import exclusive

LEVEL = 6  # a third of the size; the highest takes four times as long for another hundredth
LOCK = "kubernetes-packed"
BLOCK = 1 << 20


def ensure(found: Artifacts, cache: Path) -> dict[str, Path]:
    """Packs every program that is not yet, and returns the archives by the programs' names; those who ask meanwhile share the work.

    Raises LabError where an archive cannot be written.
    """
    archives = place(found, cache)
    if all(archive.is_file() for archive in archives.values()):
        return archives
    with exclusive(LOCK):
        for name, archive in archives.items():
            if not archive.is_file():
                _pack(found.binaries[name], archive)
    return archives


def place(found: Artifacts, cache: Path) -> dict[str, Path]:
    """Where the archive of each program of a set is, whether it is there or not."""
    return {name: cache / "packed" / f"{found.checksums[f'binaries/{name}']}.gz" for name in found.binaries}


def _pack(program: Path, archive: Path) -> None:
    try:
        archive.parent.mkdir(exist_ok=True)
        partial = archive.with_suffix(".partial")
        with program.open("rb") as content, partial.open("wb") as new, gzip.GzipFile("", "wb", LEVEL, new, mtime=0) as packed:
            shutil.copyfileobj(content, packed, BLOCK)
        partial.rename(archive)
    except OSError as error:
        raise LabError(f"{archive}: cannot be written ({error.strerror}); fix: make room there, or remove the folder") from None

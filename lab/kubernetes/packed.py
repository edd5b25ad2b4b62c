"""What nodes get, in as few pieces as can be: a small machine takes longest for bytes over SSH and for every file that comes by itself.

Programs are compressed, each under the checksum of what is in it. What a node lacks of them, or of images, comes as one bundle.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.kubernetes.manifest import Artifacts, Image
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
                _write(archive, lambda partial, name=name: _pack(found.binaries[name], partial))  # type: ignore[misc]
    return archives


def place(found: Artifacts, cache: Path) -> dict[str, Path]:
    """Where the archive of each program of a set is, whether it is there or not."""
    return {name: cache / "packed" / f"{found.checksums[f'binaries/{name}']}.gz" for name in found.binaries}


def programs(found: Artifacts, names: Sequence[str], cache: Path) -> Path:
    """One tar of the archives of these programs, made where it is missing.

    Raises LabError where it cannot be written.
    """
    archives = ensure(found, cache)

    def write(partial: Path) -> None:
        with tarfile.open(partial, "w") as bundle:
            for name in sorted(names):
                bundle.add(archives[name], archives[name].name)

    return _bundle("programs", [archives[name].name for name in names], cache, write)


def images(wanted: Sequence[Image], cache: Path) -> Path:
    """One OCI archive of these images, made where it is missing; it has what their own archives have, and an index of all.

    Raises LabError where it cannot be written.
    """

    def write(partial: Path) -> None:
        index: dict[str, Any] = {}
        listed, blobs = [], set()
        with tarfile.open(partial, "w") as bundle:
            for image in wanted:
                with tarfile.open(image.file) as archive:
                    for member in archive:
                        content = archive.extractfile(member)
                        if content is None:
                            continue
                        if member.name == "index.json":
                            index = json.load(content)
                            listed += index["manifests"]
                        elif member.name not in blobs:
                            blobs.add(member.name)
                            bundle.addfile(member, content)
            text = json.dumps({**index, "manifests": listed}).encode()
            head = tarfile.TarInfo("index.json")
            head.size = len(text)
            bundle.addfile(head, io.BytesIO(text))

    return _bundle("images", [image.digest + image.reference for image in wanted], cache, write)


def _bundle(kind: str, parts: Sequence[str], cache: Path, write: Callable[[Path], None]) -> Path:
    """The bundle of these parts, under a name that says which they are."""
    digest = hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()
    found = cache / "packed" / f"{kind}-{digest[:16]}.tar"
    if not found.is_file():
        with exclusive(LOCK):
            if not found.is_file():
                _write(found, write)
    return found


def _write(file: Path, write: Callable[[Path], None]) -> None:
    """Writes a file beside its name, and renames it when it is whole."""
    partial = file.with_suffix(".partial")
    try:
        file.parent.mkdir(exist_ok=True)
        write(partial)
        partial.rename(file)
    except OSError as error:
        raise LabError(f"{file}: cannot be written ({error.strerror}); fix: make room there, or remove the folder") from None


def _pack(program: Path, partial: Path) -> None:
    with program.open("rb") as content, partial.open("wb") as new, gzip.GzipFile("", "wb", LEVEL, new, mtime=0) as archive:
        shutil.copyfileobj(content, archive, BLOCK)

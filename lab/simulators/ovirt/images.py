"""The files of disks. Each is made under another name first, so that a kill leaves a whole file or none."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from lab.errors import LabError

SUFFIX = {"raw": "raw", "cow": "qcow2"}
PARTIAL = ".partial"


class ImageError(LabError):
    """An image could not be made or read."""


def path(folder: Path, disk: dict[str, Any]) -> Path:
    """Where a disk is."""
    return folder / f"{disk['id']}.{SUFFIX[disk['format']]}"


def create(file: Path, format: str, size: int, *, is_sparse: bool) -> None:
    """An empty disk; one that is not sparse takes its room now. One that is there already stays."""
    if file.exists():
        return
    partial = _partial(file)
    if format == "cow":
        qemu_img("create", "-q", "-f", "qcow2", str(partial), str(size))
    else:
        with partial.open("wb") as stream:
            stream.truncate(size)
            if not is_sparse and size:
                os.posix_fallocate(stream.fileno(), 0, size)
    partial.replace(file)


def copy(source: Path, file: Path, source_format: str, format: str) -> None:
    """A whole copy, in another format where that is asked for."""
    if file.exists():
        return
    partial = _partial(file)
    if source_format == format:
        command = ["cp", "--reflink=auto", "--sparse=always", str(source), str(partial)]
        _run(command)
    else:
        formats = ["-f", SUFFIX[source_format], "-O", SUFFIX[format]]
        qemu_img("convert", *formats, str(source), str(partial))
    partial.replace(file)


def overlay(base: Path, base_format: str, file: Path) -> None:
    """A disk that holds only what differs from another beside it, as the engine makes one of a template's disk."""
    if file.exists():
        return
    partial = _partial(file)
    qemu_img("create", "-q", "-f", "qcow2", "-F", SUFFIX[base_format], "-b", base.name, str(partial))
    partial.replace(file)


def resize(file: Path, format: str, size: int) -> None:
    """Makes a disk larger."""
    qemu_img("resize", "-q", "-f", SUFFIX[format], str(file), str(size))


def info(file: Path) -> dict[str, Any]:
    """What qemu-img reads in the file itself."""
    found: dict[str, Any] = json.loads(qemu_img("info", "-U", "--output", "json", str(file)))
    return found


def taken(file: Path) -> int:
    """How many bytes a file really takes."""
    return file.stat().st_blocks * 512 if file.exists() else 0


def drop(file: Path) -> None:
    """Makes a disk's file not exist."""
    file.unlink(missing_ok=True)
    _partial(file).unlink(missing_ok=True)


def qemu_img(*words: str) -> str:
    """Runs `qemu-img WORDS`; raises ImageError with what it said."""
    return _run(["qemu-img", *words])


def _partial(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(file.name + PARTIAL)
    partial.unlink(missing_ok=True)
    return partial


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ImageError(f"{command[0]}: is not installed; fix: apt-get install qemu-utils") from None
    if done.returncode:
        raise ImageError(f"{' '.join(command[:2])}: {done.stderr.strip()}")
    return done.stdout

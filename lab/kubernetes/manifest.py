"""The list of a set's files with their checksums: what a build leaves, what a mirror carries, and what is verified before any use.

A set is a folder: `manifest.json`, `binaries/`, `images/`, `manifests/`. The manifest is written last, so that a folder without one is
a build or a copy that was cut off.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import private_file
from lab.errors import LabError

FORMAT = 1
NAME = "manifest.json"
VERIFIED = ".verified.json"
SHA256 = re.compile(r"[0-9a-f]{64}")
BLOCK = 1 << 20


@dataclass(frozen=True)
class Image:
    """An image in an archive. `digest` is what `ctr images ls` shows once it is imported; `role` says which nodes need it:
    `control_plane`, `node`, or `addon:NAME`."""

    reference: str
    file: Path
    digest: str
    role: str


@dataclass(frozen=True)
class Artifacts:
    """A whole set: binaries and manifests by name, images in the order of their references, checksums by path in `folder`.

    `versions` is what the set is made of, by product. Where machines fetch for themselves only that is filled, and `folder` is None.
    """

    kubernetes: str
    folder: Path | None
    binaries: Mapping[str, Path]
    images: tuple[Image, ...]
    manifests: Mapping[str, Path]
    versions: Mapping[str, str]
    checksums: Mapping[str, str]


def write(folder: Path, kubernetes: str, images: list[Image], versions: Mapping[str, str]) -> None:
    """Lists everything that is in the folder."""
    files = sorted(path for part in ("binaries", "images", "manifests") for path in (folder / part).rglob("*") if path.is_file())
    listed = {
        "format": FORMAT,
        "kubernetes": kubernetes,
        "versions": dict(sorted(versions.items())),
        "files": {str(file.relative_to(folder)): {"sha256": sha256(file), "size": file.stat().st_size} for file in files},
        "images": [
            {"reference": image.reference, "file": str(image.file.relative_to(folder)), "digest": image.digest, "role": image.role}
            for image in sorted(images, key=lambda image: image.reference)
        ],
    }
    private_file.write(folder / NAME, json.dumps(listed, indent=1) + "\n", 0o644)


def parse(text: str, place: str) -> dict[str, Any]:
    """The manifest as it is written, with every path and checksum of the shape it must have. `place` is where it came from.

    Raises LabError for anything else: nothing of it may lead out of the set's folder.
    """
    fix = "fix: fill the mirror again with `./inv mirror`, or remove the folder of a cache"
    try:
        found = json.loads(text)
        if found["format"] != FORMAT:
            raise LabError(f"{place}: has format {found['format']}, and this release of Strata reads {FORMAT}; {fix}")
        for name, entry in found["files"].items():
            if not is_inside(name):
                raise LabError(f"{place}: names {name!r}, which is no path in its folder; {fix}")
            if not SHA256.fullmatch(entry["sha256"]) or not isinstance(entry["size"], int):
                raise LabError(f"{place}: {name}: has no SHA-256 and size; {fix}")
        for image in found["images"]:
            if image["file"] not in found["files"]:
                raise LabError(f"{place}: image {image['reference']}: its file {image['file']!r} is not listed; {fix}")
            image["digest"], image["role"]
        if not isinstance(found["kubernetes"], str) or not isinstance(found["versions"], dict):
            raise TypeError("kubernetes and versions")
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise LabError(f"{place}: is no list of artifacts ({error}); {fix}") from None
    return dict(found)


def is_inside(name: str) -> bool:
    """Whether a path stays in the folder it is for, in one of its three parts."""
    parts = name.split("/")
    return len(parts) > 1 and parts[0] in ("binaries", "images", "manifests") and not any(part in ("", ".", "..") for part in parts)


def load(folder: Path) -> Artifacts:
    """The set of a folder, all of it verified; a file that was verified before and did not change since is not read again.

    Raises LabError naming every file that is missing or has other content.
    """
    path = folder / NAME
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise LabError(f"{path}: cannot be read ({error.strerror}); fix: name the folder that `./inv mirror` filled") from None
    listed = parse(text, str(path))
    verify(folder, listed["files"])
    return artifacts(folder, listed)


def artifacts(folder: Path, listed: Mapping[str, Any]) -> Artifacts:
    """A manifest's content with its paths made whole."""
    images = tuple(Image(entry["reference"], folder / entry["file"], entry["digest"], entry["role"]) for entry in listed["images"])
    return Artifacts(
        kubernetes=listed["kubernetes"],
        folder=folder,
        binaries={name.removeprefix("binaries/"): folder / name for name in listed["files"] if name.startswith("binaries/")},
        images=images,
        manifests={Path(name).stem: folder / name for name in listed["files"] if name.startswith("manifests/")},
        versions=dict(listed["versions"]),
        checksums={name: entry["sha256"] for name, entry in listed["files"].items()},
    )


def verify(folder: Path, files: Mapping[str, Mapping[str, Any]]) -> None:
    """Compares every file with its checksum.

    Raises LabError naming all that differ.
    """
    known, seen, wrong = _verified(folder), {}, []
    for name, entry in files.items():
        problem, mark = _examine(folder / name, entry, known.get(name))
        if problem:
            wrong.append(f"{folder / name}: {problem}")
        else:
            seen[name] = mark
    if wrong:
        fix = f"fix: remove {folder}, so that it is made or copied anew; if it is your mirror, fill it again with `./inv mirror`"
        raise LabError("\n".join([*wrong, fix]))
    if seen != known:
        _remember(folder, seen)


def _examine(file: Path, entry: Mapping[str, Any], known: list[Any] | None) -> tuple[str, list[Any]]:
    """What is wrong with a file, or nothing and what to know it by next time."""
    try:
        state = file.stat()
        if state.st_size != entry["size"]:
            return f"has {state.st_size} bytes, and {entry['size']} are listed", []
        mark = [entry["sha256"], state.st_size, state.st_mtime_ns, state.st_ino]
        if mark == known:
            return "", mark
        found = sha256(file)
    except FileNotFoundError:
        return "is missing", []
    except OSError as error:
        return f"cannot be read ({error.strerror})", []
    return ("", mark) if found == entry["sha256"] else (f"has SHA-256 {found}, and {entry['sha256']} is listed", [])


def _verified(folder: Path) -> dict[str, list[Any]]:
    """What was verified before; a record that cannot be read costs reading all files again, nothing else."""
    try:
        found = json.loads((folder / VERIFIED).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(folder: Path, seen: Mapping[str, list[Any]]) -> None:
    try:
        private_file.write(folder / VERIFIED, json.dumps(seen), 0o644)
    except OSError:  # a mirror may be read-only: then it is read each time
        return


def sha256(file: Path) -> str:
    """The checksum of a file, in hexadecimal digits."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()

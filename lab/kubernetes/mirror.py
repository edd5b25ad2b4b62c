"""A mirror: the set of a cluster in a folder, or behind a URL, for sites that reach nothing else. Every file is verified on both ways.

A copy that is cut off goes on where it was: a file that is there with the right checksum is not fetched again, and the manifest,
without which nothing is used, comes last.
"""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lab import private_file
from lab.errors import InputError, LabError
from lab.kubernetes import manifest
from lab.kubernetes.manifest import Artifacts

SECONDS = 60  # of silence
BLOCK = 1 << 20
MIB = 1 << 20

Say = Callable[[str], None]


def fill(found: Artifacts, target: Path, say: Say = lambda _: None) -> int:
    """Copies a set into a folder, and removes what an older set had there; returns how many MiB were written.

    Raises InputError where there is nothing to copy, or the folder has files of somebody else; LabError where it cannot be written.
    """
    if found.folder is None:
        raise InputError("mirror: machines of source `packages` fetch for themselves, so there is nothing here to copy; fix: kind: modules")
    if target.exists() and any(target.iterdir()) and not any((target / name).exists() for name in (manifest.NAME, "binaries")):
        raise InputError(f"{target}: has other files than a mirror's; fix: name an empty or a new folder")
    try:
        (target / manifest.NAME).unlink(missing_ok=True)
        written = _copy(str(found.folder), target, say)
        _remove_others(target, set(found.checksums))
    except OSError as error:
        raise LabError(f"{target}: cannot be written ({error.strerror}); fix: make room there, or name another folder") from None
    return written


def fetch(place: str, folder: Path, say: Say = lambda _: None) -> int:
    """Copies the set of a mirror into the cache; returns how many MiB were fetched.

    Raises LabError naming the file, what is wrong with it, and the fix.
    """
    try:
        return _copy(place, folder, say)
    except OSError as error:
        raise LabError(f"{folder}: cannot be written ({error.strerror}); fix: make room there") from None


def fingerprint(place: str) -> str:
    """Changes with the content of a mirror: the checksum of its manifest.

    Raises LabError where there is none.
    """
    return hashlib.sha256(read_manifest(place).encode()).hexdigest()


def read_manifest(place: str) -> str:
    """The text of a mirror's manifest.

    Raises LabError naming where it was looked for.
    """
    with reading(place, manifest.NAME) as file:
        return file.read().decode(errors="replace")


def _copy(place: str, folder: Path, say: Say) -> int:
    text = read_manifest(place)
    listed = manifest.parse(text, address(place, manifest.NAME))
    total, done, written = sum(entry["size"] for entry in listed["files"].values()), 0, 0
    for name, entry in listed["files"].items():
        target = folder / name
        if not (target.is_file() and target.stat().st_size == entry["size"] and manifest.sha256(target) == entry["sha256"]):
            _copy_file(place, name, entry["sha256"], target)
            written += entry["size"]
        done += entry["size"]
        say(f"{name}: {done // MIB} of {total // MIB} MiB")
    private_file.write(folder / manifest.NAME, text, 0o644)
    return written // MIB


def _copy_file(place: str, name: str, wanted: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial, digest = target.with_name(f"{target.name}.partial"), hashlib.sha256()
    with reading(place, name) as source, partial.open("wb") as out:
        while block := source.read(BLOCK):
            digest.update(block)
            out.write(block)
    if digest.hexdigest() != wanted:
        partial.unlink()
        raise LabError(
            f"{address(place, name)}: has SHA-256 {digest.hexdigest()}, and the mirror's list says {wanted}"
            "; fix: fill the mirror again with `./inv mirror`; if nobody touched it, its disk or the way to it is not to be trusted"
        )
    partial.chmod(0o755 if name.startswith("binaries/") else 0o644)
    partial.replace(target)


def _remove_others(folder: Path, wanted: set[str]) -> None:
    for part in ("binaries", "images", "manifests"):
        for file in sorted((folder / part).rglob("*")):
            if file.is_file() and str(file.relative_to(folder)) not in wanted:
                file.unlink()


def is_url(place: str) -> bool:
    """Whether a mirror is behind a web server."""
    return place.startswith(("http://", "https://"))


def address(place: str, name: str) -> str:
    """Where a file of a mirror is, for people and for programs."""
    return f"{place.rstrip('/')}/{urllib.parse.quote(name) if is_url(place) else name}"


@contextmanager
def reading(place: str, name: str) -> Iterator[IO[bytes]]:
    """Opens a file of a mirror.

    Raises LabError where it cannot be read, also in the middle.
    """
    where, fix = address(place, name), "fix: is it the folder that `./inv mirror` filled, and may it be read? then run again"
    try:
        if is_url(place):
            with urllib.request.urlopen(where, timeout=SECONDS) as answer:  # noqa: S310 - is_url lets http and https through only
                yield answer
        else:
            with Path(where).open("rb") as file:
                yield file
    except urllib.error.HTTPError as error:
        raise LabError(f"{where}: the server answered {error.code} {error.reason}; {fix}") from None
    except urllib.error.URLError as error:
        raise LabError(f"{where}: cannot be fetched ({error.reason}); {fix}") from None
    except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise LabError(f"{where}: broke off ({error or type(error).__name__}); {fix}") from None
    except FileNotFoundError:
        raise LabError(f"{where}: is not there; {fix}") from None

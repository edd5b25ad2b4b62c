"""Whether a file can be what `engine-backup` wrote, before an engine is set up for it."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.ovirt.prechecks.facts import Problem

ANOTHER = "take one that `engine-backup --mode=backup --scope=all` wrote, unchanged"
NEEDED = ("version", "config", "files", "db/engine_backup.db")
SUMS = {"sha256sum": "sha256", "md5sum": "md5"}  # the second one in files of 4.3
RELEASES = ("4.5", "4.4", "4.3")  # what an engine 4.5 restores
BLOCK = 1 << 20


@dataclass(frozen=True)
class Content:
    """What an archive holds: sums of its files by name, of all kinds that may be asked for; sizes; the text of small ones."""

    sums: Mapping[str, Mapping[str, str]]
    sizes: Mapping[str, int]
    texts: Mapping[str, str]


def check(file: str) -> Iterator[Problem]:
    """Reads the whole of it: the archive, the parts of a backup, none of them empty, its own checksums, its release."""
    path = Path(file)
    if not path.is_file():
        yield Problem(f"{file}: the backup to restore is not there, on the controller", "correct restore_from in the site, or leave it out")
        return
    try:
        content = read(path)
    except (tarfile.TarError, OSError, EOFError) as error:
        yield Problem(f"{file}: cannot be read as an archive: {str(error).splitlines()[0].rstrip(':')}", ANOTHER)
        return
    # engine-backup itself passes over an empty part without a word.
    missing = [part for part in NEEDED if not content.sizes.get(part)]
    kind = next((name for name in SUMS if name in content.texts), None)
    if kind is None:
        missing.append("sha256sum")
    if missing:
        yield Problem(f"{file}: is no whole backup of an engine: it lacks {', '.join(missing)}", ANOTHER)
        return
    assert kind  # noqa: S101 - it would be missing
    if damaged := differing(content, kind):
        yield Problem(f"{file}: is damaged: {', '.join(damaged)} is not what its {kind} says", ANOTHER)
    version = content.texts["version"].strip()
    if ".".join(version.split(".")[:2]) not in RELEASES:
        yield Problem(f"{file}: is of an engine {version}, and 4.5 restores {' and '.join(RELEASES)} only", "upgrade that engine first")


def read(path: Path) -> Content:
    """All of an archive, in one pass. Raises TarError, OSError or EOFError where it is none, or cut short."""
    sums: dict[str, dict[str, str]] = {}
    sizes, texts = {}, {}
    with tarfile.open(path) as archive:
        for member in archive:
            if not member.isfile():
                continue
            name = Path(member.name).as_posix()
            stream = archive.extractfile(member)
            assert stream  # noqa: S101 - it is a file
            hashes = {kind: hashlib.new(kind, usedforsecurity=False) for kind in SUMS.values()}
            first = b""
            while block := stream.read(BLOCK):
                first = first or block
                for one in hashes.values():
                    one.update(block)
            sums[name] = {kind: one.hexdigest() for kind, one in hashes.items()}
            sizes[name] = member.size
            if name == "version" or name in SUMS:
                texts[name] = first.decode(errors="replace")
    return Content(sums, sizes, texts)


def differing(content: Content, kind: str) -> list[str]:
    """The files that are not what the archive's list of checksums (`SUM  NAME` lines) says of them, or are not there."""
    said = (line.split(maxsplit=1) for line in content.texts[kind].splitlines() if len(line.split(maxsplit=1)) == 2)
    wanted = {Path(name.lstrip("*")).as_posix(): checksum for checksum, name in said}
    return [name for name, checksum in wanted.items() if content.sums.get(name, {}).get(SUMS[kind]) != checksum]

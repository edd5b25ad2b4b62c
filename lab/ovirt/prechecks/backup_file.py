"""Whether a file can be what `engine-backup` wrote, before an engine is taken down for it."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

from lab.ovirt.prechecks.facts import Problem

PARTS = ("version", "md5sum", "config")  # at the top of every backup; `files` and `db/...` are what it holds


def check(file: str) -> Iterator[Problem]:
    """A readable archive with the parts of a backup, database included. It is read through: a cut file is found here."""
    path = Path(file)
    if not path.is_file():
        yield Problem(f"{file}: the backup to restore is not there, on the controller", "correct restore_file in the site, or leave it out")
        return
    try:
        with tarfile.open(path) as archive:
            names = {Path(member.name).as_posix() for member in archive}
    except (tarfile.TarError, OSError, EOFError) as error:
        yield Problem(
            f"{file}: cannot be read as an archive: {str(error).splitlines()[0].rstrip(':')}",
            "take a file that `engine-backup --mode=backup --scope=all` wrote, unchanged",
        )
        return
    missing = [part for part in PARTS if part not in names]
    if not any(name.startswith("db/") and name.endswith(".db") for name in names):
        missing.append("db/*.db")
    if missing:
        yield Problem(
            f"{file}: is no backup of an engine: it lacks {', '.join(missing)}", "take one of `engine-backup --mode=backup --scope=all`"
        )

"""Writes an archive with the parts that a backup of an engine has, all of them empty: `backup.py FILE`."""

import sys
import tarfile
from pathlib import Path

PARTS = ("version", "md5sum", "config", "files", "db/engine_backup.db", "db/dwh_backup.db")


def write(file: Path) -> None:
    """The archive; it is there when it is whole."""
    part = file.with_suffix(".part")
    with tarfile.open(part, "w:gz") as archive:
        for name in PARTS:
            archive.addfile(tarfile.TarInfo(f"./{name}"))
    part.rename(file)


if __name__ == "__main__":
    write(Path(sys.argv[1]))

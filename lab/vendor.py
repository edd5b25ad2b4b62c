"""Takes the wanted collections out of the `ansible` wheel of PyPI: `python -m lab.vendor DESTINATION`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
COLLECTIONS = (
    "ansible.posix",  # authorized_key
    "ovirt.ovirt",  # installs engines, and is what the simulator is held against
)


def extract(wheel: Path, destination: Path, names: Sequence[str]) -> None:
    """Unpacks the collections, without their tests.

    Raises SystemExit naming the collections that the wheel does not carry.
    """
    prefixes = {f"ansible_collections/{name.replace('.', '/')}/": name for name in names}
    found = set()
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.namelist():
            prefix = next((p for p in prefixes if entry.startswith(p)), None)
            if prefix and "/tests/" not in entry:
                archive.extract(entry, destination)
                found.add(prefixes[prefix])
    if missing := set(names) - found:
        sys.exit(f"{wheel.name}: does not carry {', '.join(sorted(missing))}; fix: pin another version in collections.lock")


def main(destination: Path) -> None:
    """Downloads the pinned wheel, whose hash pip checks, and unpacks what is wanted."""
    with tempfile.TemporaryDirectory() as folder:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:"]
        subprocess.run([*download, "--dest", folder, "-r", ROOT / "collections.lock"], check=True)
        extract(next(Path(folder).glob("*.whl")), destination, COLLECTIONS)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

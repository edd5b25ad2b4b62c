"""The container image around a virtual machine: the guest's kernel, and what reads its disk. The guest itself comes from the disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from lab.platforms import image
from lab.platforms.uml import kernel
from lab.platforms.uml.image import made

REPOSITORY = "localhost/strata-ovirt-vm"
FILES = Path(__file__).parent / "guest"


def reference(suite: str) -> str:
    """The image's name; another machine image, kernel or file gives another tag."""
    digest = hashlib.sha256(f"{image.reference(suite)} {kernel.reference()}".encode())
    digest.update((FILES / "build-image.sh").read_bytes())  # the programs beside it are mounted
    return f"{REPOSITORY}:{suite}-{digest.hexdigest()[:12]}"


def ensure(suite: str, say: Callable[[str], None] = lambda _: None) -> str:
    """Makes the image where it is missing and returns its name."""
    return made(reference(suite), FILES, suite, say)

"""A guest of 16 MB for checks: Debian's cloud kernel with busybox and dropbear in memory, up in seconds even where all is emulated.

It takes addresses by DHCP on every card (with the routes and the MTU it is told), its name, keys and user data from a drive labelled
config-2 or from http://169.254.169.254, keeps host keys and what is written to /disk on its own disk, sees disks and cards that are
plugged in while it runs, serves a page on port 80 and goes down when the power button is pressed. Root has no password: without a key
nobody gets in. What it does and finds is told on its first serial line.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from lab.images import builder, debian
from lab.platforms import image

SUITE = "trixie"
FILES = Path(__file__).parent / "tiny"
SHARED = (debian.RECIPE / "boot_sector.py",)
SIZE_MIB = 64
MEMORY_MIB = 192  # what it needs to boot: the kernel unpacks all of it into memory
READY = "tiny: ready"


def recipe() -> builder.Recipe:
    """The image, of Debian's packages as the mirror has them."""
    shared = " ".join(file.read_text(encoding="utf-8") for file in SHARED)
    return builder.Recipe(
        title="tiny image",
        stem="tiny",
        suite=SUITE,
        files=FILES,
        words=(str(SIZE_MIB),),
        identity=f"{image.reference(SUITE)} {SIZE_MIB} {shared}",
        cache=debian.CACHE,
        log=Path(tempfile.gettempdir()) / "strata-tiny.log",
        container="strata-tiny-build",
        lasts="half a minute",
    )


def ensure(say: Callable[[str], None] = lambda _: None) -> Path:
    """Makes the image where it is missing and returns its file.

    Needs root and podman. Raises LabError with the last lines of the build.
    """
    return builder.ensure(recipe(), say)

"""The disk of a new virtual machine: Debian from its packages, made once per recipe and found again by the recipe's hash.

The disk is one qcow2 file that any hypervisor boots: with the BIOS or UEFI (also with Secure Boot) it starts its own boot loader and
kernel; a kernel from outside, such as User Mode Linux, takes partition 1, whose GPT name and label are `root`. Its first boot is
cloud-init's, which reads a drive labelled config-2, makes SSH host keys and grows the root partition to the size of the disk.

What it finds out by itself: a QEMU guest agent runs where there is its virtio port, and on the serial line LINE where the kernel's
command line has `systemd.wants=guest-agent@LINE.service`. Network cards are eth0, eth1, ... in the order of their slots.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from lab.images import builder
from lab.platforms import image

RECIPE = Path(__file__).parent / "recipe"
CACHE = Path("/var/cache/strata/images")
BUILDER = "strata-template-build"
LOG = Path(tempfile.gettempdir()) / "strata-template.log"
SIZE_MIB = 3072  # what the guest sees; a fifth of it is used, and a larger disk is grown into at the first boot
# Besides what the containers' image has, so that a role finds the same on both: kernel, first boot, agent, and what grows a disk.
PACKAGES = "linux-image-cloud-amd64,initramfs-tools,zstd,udev,kmod,e2fsprogs,fdisk,cloud-init,cloud-guest-utils,qemu-guest-agent"


def recipe(suite: str) -> builder.Recipe:
    """The image of a Debian suite."""
    return builder.Recipe(
        title=f"template image ({suite})",
        stem=f"debian-{suite}",
        suite=suite,
        files=RECIPE,
        words=(suite, f"{image.PACKAGES},{PACKAGES}", str(SIZE_MIB)),
        identity=f"{image.reference(suite)} {PACKAGES} {SIZE_MIB}",
        cache=CACHE,
        log=LOG,
        container=BUILDER,
        lasts="2 minutes or more",
    )


def name(suite: str) -> str:
    """What the image is called, without an ending; another suite, recipe or file of it gives another name."""
    return recipe(suite).name


def ensure(suite: str, say: Callable[[str], None] = lambda _: None) -> Path:
    """Makes the image where it is missing and returns its file; builders at the same time share one build. `say` is told how far it is.

    Needs root and podman. Raises LabError with the last lines of the build.
    """
    return builder.ensure(recipe(suite), say)

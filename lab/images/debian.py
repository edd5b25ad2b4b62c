"""The disk of a new virtual machine: Debian from its packages, made once per recipe and found again by the recipe's hash.

The disk is one qcow2 file that any hypervisor boots: with the BIOS or UEFI (also with Secure Boot) it starts its own boot loader and
kernel; a kernel from outside, such as User Mode Linux, takes partition 1, whose GPT name and label are `root`. Its first boot is
cloud-init's, which reads a drive labelled config-2, makes SSH host keys and grows the root partition to the size of the disk.

What it finds out by itself: a QEMU guest agent runs where there is its virtio port, and on the serial line LINE where the kernel's
command line has `systemd.wants=guest-agent@LINE.service`. Network cards are eth0, eth1, ... in the order of their slots.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from lab.errors import LabError
from lab.platforms import image
from lab.platforms.podman import exclusive, exists, podman, remove_container

RECIPE = Path(__file__).parent / "recipe"
CACHE = Path("/var/cache/strata/images")
BUILDER = "strata-template-build"
LOG = Path(tempfile.gettempdir()) / "strata-template.log"
SIZE_MIB = 3072  # what the guest sees; a fifth of it is used, and a larger disk is grown into at the first boot
SAY_SECONDS = 15
# Besides what the containers' image has, so that a role finds the same on both: kernel, first boot, agent, and what grows a disk.
PACKAGES = "linux-image-cloud-amd64,initramfs-tools,zstd,udev,kmod,e2fsprogs,fdisk,cloud-init,cloud-guest-utils,qemu-guest-agent"


def name(suite: str) -> str:
    """What the image is called, without an ending; another suite, recipe or file of it gives another name."""
    digest = hashlib.sha256(f"{image.reference(suite)} {PACKAGES} {SIZE_MIB}".encode())
    for file in sorted(path for path in RECIPE.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        digest.update(f"{file.relative_to(RECIPE)}\0".encode() + file.read_bytes())
    return f"debian-{suite}-{digest.hexdigest()[:12]}"


def ensure(suite: str, say: Callable[[str], None] = lambda _: None) -> Path:
    """Makes the image where it is missing and returns its file; builders at the same time share one build. `say` is told how far it is.

    Needs root and podman. Raises LabError with the last lines of the build.
    """
    file = CACHE / f"{name(suite)}.qcow2"
    if file.is_file():
        return file
    base = image.ensure(suite)
    with exclusive("template-image"):
        if not file.is_file():
            build(base, suite, file, say)
    return file


def build(base: str, suite: str, file: Path, say: Callable[[str], None]) -> None:
    """Two minutes, in a throwaway container of the machine image; a build that is cut off leaves no file of that name."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"{file.parent}: cannot be made ({error.strerror}); fix: run as root, or make it yours") from None
    remove_builder()
    mounts = ["--volume", f"{RECIPE}:/recipe:ro", "--volume", f"{file.parent}:/out"]
    podman("run", "--detach", "--privileged", "--no-hosts", "--name", BUILDER, *mounts, base, "sleep", "infinity")
    try:
        if follow(["/recipe/build.sh", suite, f"{image.PACKAGES},{PACKAGES}", str(SIZE_MIB), f"/out/{file.name}.partial"], suite, say):
            said = " | ".join(LOG.read_text(encoding="utf-8", errors="replace").splitlines()[-4:])
            fix = f"read {LOG}; is Debian's mirror reachable, is the disk full? then run again"
            raise LabError(f"template image ({suite}): the build failed: {said}; fix: {fix}")
        file.with_name(f"{file.name}.partial").replace(file)
    finally:
        remove_builder()


def follow(words: list[str], suite: str, say: Callable[[str], None]) -> int:
    """Runs the recipe in the builder, saying now and then how far it is; returns its exit code."""
    say(f"template image ({suite}): is built once, which takes 2 minutes or more; all it says: {LOG}")
    with LOG.open("wb") as log:
        child = subprocess.Popen(["podman", "exec", BUILDER, "sh", *words], stdout=log, stderr=subprocess.STDOUT)
        while True:
            try:
                return child.wait(SAY_SECONDS)
            except subprocess.TimeoutExpired:
                say(f"template image ({suite}): {progress(LOG)}")


def progress(log: Path) -> str:
    """The step a build is at, by its log."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.removeprefix("== ") for line in reversed(lines) if line.startswith("== ")), "starts")


def remove_builder() -> None:
    """The container of a build, also of one that was killed."""
    if exists("container", BUILDER):
        remove_container(BUILDER)

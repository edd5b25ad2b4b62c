"""The guest's kernel: Debian's kernel source, built for User Mode Linux once per recipe and found again by the recipe's hash.

The build takes 7 minutes of two idle processors, and took 24 of two busy ones. It is needed because the user-mode-linux that Debian
ships has no nftables. The recipe names the source's series; which point release of it was built is a label of the image, so that
Debian's updates do not cost every lab a build. The image outlives `down`.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lab.errors import LabError
from lab.platforms import image
from lab.platforms.podman import exclusive, exists, podman, remove_container

REPOSITORY = "localhost/strata-uml-kernel"
SUITE = "trixie"  # its gcc and its backports
SOURCE = "linux-source-7.2"  # the first series whose User Mode Linux has seccomp=on, which is twice as fast as ptrace
FILES = Path(__file__).parent
RECIPE = ("build-kernel.sh", "kernel.config")
BUILDER = "strata-uml-kernel-build"
FILES_COMPILED = 1800
SAY_SECONDS = 30
LOG = Path(tempfile.gettempdir()) / "strata-uml-kernel.log"


def reference() -> str:
    """The image's name; another source, configuration or recipe gives another tag."""
    digest = hashlib.sha256(SOURCE.encode())
    for name in RECIPE:
        digest.update((FILES / name).read_bytes())
    return f"{REPOSITORY}:{SOURCE.rpartition('-')[2]}-{digest.hexdigest()[:12]}"


def ensure(say: Callable[[str], None] = lambda _: None) -> str:
    """Builds the kernel where it is missing and returns its image; builders at the same time share one build. `say` is told how far it is.

    Raises LabError with the last lines of the build.
    """
    name = reference()
    base = image.ensure(SUITE)
    # A lock of its own: containers can be made during these minutes.
    with exclusive("uml-kernel"):
        if not exists("image", name):
            build(base, name, say)
    return name


def build(base: str, name: str, say: Callable[[str], None]) -> None:
    """Compiles in a throwaway container, whose words go to LOG; what it made becomes an image of two files."""
    remove_builder()
    podman("run", "--detach", "--privileged", "--no-hosts", "--name", BUILDER, "--volume", f"{FILES}:/recipe:ro", base, "sleep", "infinity")
    try:
        began = time.monotonic()
        if compile_kernel(say):
            said = " | ".join(LOG.read_text(encoding="utf-8", errors="replace").splitlines()[-4:])
            fix = f"read {LOG}; is Debian's mirror reachable, is the disk full? then run again"
            raise LabError(f"kernel for virtual machines ({SOURCE}): the build failed: {said}; fix: {fix}")
        with tempfile.TemporaryDirectory(prefix="strata-kernel-") as folder:
            tar = Path(folder) / "kernel.tar"
            podman("cp", f"{BUILDER}:/out/kernel.tar", str(tar))
            version = podman("exec", BUILDER, "cat", "/out/version").strip()
            labels = {"strata.source": version, "strata.build_seconds": str(round(time.monotonic() - began))}
            changes = [word for key, value in labels.items() for word in ("--change", f"LABEL {key}={value}")]
            podman("import", "--quiet", *changes, str(tar), name)
    finally:
        remove_builder()


def compile_kernel(say: Callable[[str], None]) -> int:
    """Runs the recipe in the builder, saying now and then how far it is; returns its exit code."""
    say(f"kernel for virtual machines: is built once, which takes 7 minutes or more; all it says: {LOG}")
    with LOG.open("wb") as log:
        child = subprocess.Popen(["podman", "exec", BUILDER, "sh", "/recipe/build-kernel.sh", SOURCE], stdout=log, stderr=subprocess.STDOUT)
        while True:
            try:
                return child.wait(SAY_SECONDS)
            except subprocess.TimeoutExpired:
                say(f"kernel for virtual machines: {progress(LOG)}")


def remove_builder() -> None:
    """The container of a build, also of one that was killed."""
    if exists("container", BUILDER):
        remove_container(BUILDER)


def progress(log: Path) -> str:
    """How far a build is, by its log: the step, and the files compiled of about as many as there are."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    steps = [line.removeprefix("== ") for line in lines if line.startswith("== ")]
    compiled = sum(line.startswith("  CC ") for line in lines)
    return f"{steps[-1]}, {compiled} of about {FILES_COMPILED} files" if steps else "starts"

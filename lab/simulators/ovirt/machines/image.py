"""The container image around a virtual machine: the guest's kernel, and what reads its disk. The guest itself comes from the disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from lab.platforms import image
from lab.platforms.podman import exclusive, exists, podman, remove_container
from lab.platforms.uml import kernel

REPOSITORY = "localhost/strata-ovirt-vm"
FILES = Path(__file__).parent / "guest"


def reference(suite: str) -> str:
    """The image's name; another machine image, kernel or file gives another tag."""
    digest = hashlib.sha256(f"{image.reference(suite)} {kernel.reference()}".encode())
    digest.update((FILES / "build-image.sh").read_bytes())  # the programs beside it are mounted
    return f"{REPOSITORY}:{suite}-{digest.hexdigest()[:12]}"


def ensure(suite: str, say: Callable[[str], None] = lambda _: None) -> str:
    """Makes the image where it is missing and returns its name."""
    name = reference(suite)
    if exists("image", name):
        return name
    base, linux = image.ensure(suite), kernel.ensure(say)
    with exclusive("ovirt-vm-image"):
        if not exists("image", name):
            build(base, linux, name)
    return name


def build(base: str, linux: str, name: str) -> None:
    """Half a minute, in a throwaway container whose files become the image."""
    inputs = ["--volume", f"{FILES}:/run/recipe:ro", "--mount", f"type=image,source={linux},destination=/run/kernel"]
    maker = podman("run", "--detach", "--privileged", "--no-hosts", *inputs, base, "sleep", "infinity").strip()
    try:
        podman("exec", maker, "sh", "/run/recipe/build-image.sh")
        podman("commit", "--quiet", maker, name)
    finally:
        remove_container(maker)

"""The image of a virtual machine's container: the machine image, the guest's kernel, and a disk made of that same machine image."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from lab.platforms import image
from lab.platforms.podman import exclusive, exists, podman, remove_container
from lab.platforms.uml import kernel

REPOSITORY = "localhost/strata-vm"
FILES = Path(__file__).parent


def reference(suite: str) -> str:
    """The image's name; another machine image, kernel or file gives another tag."""
    digest = hashlib.sha256(f"{image.reference(suite)} {kernel.reference()}".encode())
    for file in [FILES / "build-image.sh", FILES / "run-guest.sh", *sorted((FILES / "guest").iterdir())]:
        digest.update(file.read_bytes())
    return f"{REPOSITORY}:{suite}-{digest.hexdigest()[:12]}"


def ensure(suite: str, say: Callable[[str], None] = lambda _: None) -> str:
    """Makes the image where it is missing and returns its name."""
    return made(reference(suite), FILES, suite, say)


def made(name: str, recipe: Path, suite: str, say: Callable[[str], None]) -> str:
    """The image of that name, built by a recipe where it is missing; machines made side by side share one build."""
    if exists("image", name):
        return name
    base, linux = image.ensure(suite), kernel.ensure(say)
    with exclusive("vm-image"):
        if not exists("image", name):
            build(recipe, base, linux, name)
    return name


def build(recipe: Path, base: str, linux: str, name: str) -> None:
    """Half a minute, in a throwaway container whose files become the image; `recipe` is a folder with build-image.sh."""
    inputs = ["--volume", f"{recipe}:/run/recipe:ro", "--mount", f"type=image,source={linux},destination=/run/kernel"]
    maker = podman("run", "--detach", "--privileged", "--no-hosts", *inputs, base, "sleep", "infinity").strip()
    try:
        podman("exec", maker, "sh", "/run/recipe/build-image.sh")
        podman("commit", "--quiet", maker, name)
    finally:
        remove_container(maker)

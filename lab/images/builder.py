"""Builds a disk image once per recipe, in a throwaway container of the machine image, and finds it again by the recipe's hash."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.platforms import image
from lab.platforms.podman import exclusive, exists, podman, remove_container

SAY_SECONDS = 15


@dataclass(frozen=True)
class Recipe:
    """An image: `files` has build.sh, which gets `words` and then the file to write; `identity` is what else the image depends on."""

    title: str
    stem: str
    suite: str
    files: Path
    words: tuple[str, ...]
    identity: str
    cache: Path
    log: Path
    container: str
    lasts: str

    @property
    def name(self) -> str:
        """What the image is called, without an ending; another suite, recipe or file of it gives another name."""
        digest = hashlib.sha256(self.identity.encode())
        for file in sorted(path for path in self.files.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
            digest.update(f"{file.relative_to(self.files)}\0".encode() + file.read_bytes())
        return f"{self.stem}-{digest.hexdigest()[:12]}"

    @property
    def file(self) -> Path:
        """Where it is, or will be."""
        return self.cache / f"{self.name}.qcow2"


def ensure(recipe: Recipe, say: Callable[[str], None]) -> Path:
    """Makes the image where it is missing and returns its file; builders at the same time share one build. `say` is told how far it is.

    Needs root and podman. Raises LabError with the last lines of the build.
    """
    file = recipe.file
    if file.is_file():
        return file
    base = image.ensure(recipe.suite)
    with exclusive(recipe.container):
        if not file.is_file():
            build(base, recipe, file, say)
    return file


def build(base: str, recipe: Recipe, file: Path, say: Callable[[str], None]) -> None:
    """A build that is cut off leaves no file of that name."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"{file.parent}: cannot be made ({error.strerror}); fix: run as root, or make it yours") from None
    remove_builder(recipe.container)
    # Beside it are the files that recipes share.
    mounts = ["--volume", f"{recipe.files}:/recipe:ro", "--volume", f"{Path(__file__).parent}:/images:ro"]
    mounts += ["--volume", f"{file.parent}:/out"]
    podman("run", "--detach", "--privileged", "--no-hosts", "--name", recipe.container, *mounts, base, "sleep", "infinity")
    try:
        if follow(recipe, ["/recipe/build.sh", *recipe.words, f"/out/{file.name}.partial"], say):
            said = " | ".join(recipe.log.read_text(encoding="utf-8", errors="replace").splitlines()[-4:])
            fix = f"read {recipe.log}; is Debian's mirror reachable, is the disk full? then run again"
            raise LabError(f"{recipe.title}: the build failed: {said}; fix: {fix}")
        file.with_name(f"{file.name}.partial").replace(file)
    finally:
        remove_builder(recipe.container)


def follow(recipe: Recipe, words: list[str], say: Callable[[str], None]) -> int:
    """Runs the recipe in the builder, saying now and then how far it is; returns its exit code."""
    say(f"{recipe.title}: is built once, which takes {recipe.lasts}; all it says: {recipe.log}")
    with recipe.log.open("wb") as log:
        child = subprocess.Popen(["podman", "exec", recipe.container, "sh", *words], stdout=log, stderr=subprocess.STDOUT)
        while True:
            try:
                return child.wait(SAY_SECONDS)
            except subprocess.TimeoutExpired:
                say(f"{recipe.title}: {progress(recipe.log)}")


def progress(log: Path) -> str:
    """The step a build is at, by its log."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.removeprefix("== ") for line in reversed(lines) if line.startswith("== ")), "starts")


def remove_builder(container: str) -> None:
    """The container of a build, also of one that was killed."""
    if exists("container", container):
        remove_container(container)

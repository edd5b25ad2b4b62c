"""Compiles a product once per recipe, and finds it again by the recipe's hash."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from lab.errors import LabError
from lab.kubernetes import toolchain
from lab.kubernetes.products import Product

SAY_SECONDS = 20
ROOMY_GIB = 20  # with less left, what was compiled on the way to programs is not kept
FREE_GIB = 8  # modules, compiled packages, and what the linker writes
GIB = 1024**3
BUILD = ("build", "-v", "-trimpath", "-buildvcs=false")
# Beside C, too, what Go has of its own for names and users is taken: then other packages are the same ones, compiled once for all products.
WITH_C = ("-tags", "netgo,osusergo")
STATIC = ("-linkmode=external", '"-extldflags=-static -Wl,--build-id=none"')


def key(product: Product) -> str:
    """Changes with anything that can change a byte of its programs."""
    recipe = {
        "toolchain": toolchain.digest(),
        "command": BUILD,
        "flags": linker(product),
        "programs": dict(product.programs),
        "files": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in product.files},
    }
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]


def place(product: Product, cache: Path) -> Path:
    """The folder of its programs, whether they are there or not."""
    return cache / "programs" / f"{product.folder}-{key(product)}"


def ensure(product: Product, cache: Path, say: Callable[[str], None] = lambda _: None) -> Path:
    """Compiles the programs where they are missing and returns their folder; one that is there is complete.

    The caller sees to it that only one builds at a time. Raises LabError with the compiler's last words and where the rest is.
    """
    wanted = place(product, cache)
    if wanted.is_dir():
        return wanted
    check_space(cache)
    goroot = toolchain.ensure(cache, say)
    partial = wanted.with_name(f"{wanted.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    tags = WITH_C if product.has_c else ()
    words = [str(goroot / "bin" / "go"), *BUILD, *tags, "-ldflags", linker(product), "-o", f"{partial}/", *product.programs.values()]
    run(product, words, toolchain.environment(goroot, cache, has_c=product.has_c), cache / f"{product.folder}.log", say)
    name(product, partial)
    partial.replace(wanted)
    return wanted


def run(product: Product, words: list[str], environment: Mapping[str, str], log: Path, say: Callable[[str], None]) -> None:
    """Builds all programs of a product at once, because they share most packages, and says now and then how far it is."""
    what = f"{product.folder} {product.version}"
    say(f"{what}: is compiled once; all it says: {log}")
    folder = product.files[0].parent
    with log.open("wb") as said:
        child = subprocess.Popen(words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT)
        try:
            while (code := _poll(child)) is None:
                say(f"{what}: {progress(log)}")
        except BaseException:
            child.kill()
            child.wait()
            raise
    if code:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        last = " | ".join(line for line in lines if not _is_progress(line))[-600:]
        raise LabError(f"{what}: go build ended with {code}: {last}; fix: {remedy(last)}, then run again; all it said: {log}")


def _poll(child: subprocess.Popen[bytes]) -> int | None:
    try:
        return child.wait(SAY_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def _is_progress(line: str) -> bool:
    return line.startswith("go: downloading ") or bool(re.fullmatch(r"[\w.~\-]+(/[\w.~\-]+)*", line))


def remedy(said: str) -> str:
    """What to do about the compiler's words."""
    if "no space left" in said:
        return "make room on the disk of the cache"
    if "checksum mismatch" in said or "missing go.sum entry" in said:
        return "the module that was served is not the pinned one: do not use that proxy (GOPROXY), or pin anew on purpose"
    if re.search(r"dial tcp|i/o timeout|connection refused|no such host|proxyconnect|server response|Forbidden|Not Found", said):
        return "make the Go module proxy reachable, or name another in GOPROXY"
    if '"gcc"' in said:
        return "apt-get install gcc libc6-dev"
    if "signal: killed" in said or "cannot allocate memory" in said:
        return "the linker needs 3 GiB of memory: end other programs"
    return "read what it said"


def progress(log: Path) -> str:
    """How far a build is, by its log: modules fetched first, then packages compiled."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    fetched = sum(line.startswith("go: downloading ") for line in lines)
    compiled = sum(_is_progress(line) for line in lines) - fetched
    return f"{fetched} modules fetched, {compiled} packages compiled"


def linker(product: Product) -> str:
    """The linker's words: no symbols, and the version where the program looks for it."""
    stamped = dict.fromkeys(product.stamps, product.version) | dict(product.flags)
    more = [*(STATIC if product.has_c else ()), *(["-checklinkname=0"] if product.is_old else ())]
    return " ".join(["-s", "-w", "-buildid=", *more, *(f"-X={variable}={value}" for variable, value in sorted(stamped.items()))])


def name(product: Product, folder: Path) -> None:
    """Go calls a program after its package; here it gets the name it is known by."""
    for wanted, package in product.programs.items():
        built = folder / built_name(package)
        target = folder / wanted
        target.parent.mkdir(parents=True, exist_ok=True)
        if built != target:
            built.replace(target)


def built_name(package: str) -> str:
    """The last part of a package's path, or the one before it where the last is a major version."""
    parts = package.split("/")
    return parts[-2] if re.fullmatch(r"v\d+", parts[-1]) else parts[-1]


def check_space(cache: Path) -> None:
    """Raises LabError before a build that would fill the disk, or may not write there."""
    make_cache(cache)
    free = shutil.disk_usage(cache).free
    if free < FREE_GIB * GIB:
        raise LabError(f"{cache}: {free / GIB:.1f} GiB are free, and a build needs {FREE_GIB}; fix: make room there, then run again")


def trim(cache: Path) -> bool:
    """Removes what was compiled on the way to programs where the disk is short of room, and says whether it did; programs stay.

    Another release then takes as long to build as the first.
    """
    compiled = cache / "compiled"
    if not compiled.is_dir() or shutil.disk_usage(cache).free >= ROOMY_GIB * GIB:
        return False
    shutil.rmtree(compiled, ignore_errors=True)
    return True


def make_cache(cache: Path) -> None:
    """Raises LabError where it cannot be made."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"{cache}: cannot be made ({error.strerror}); fix: run as root, or make it yours") from None

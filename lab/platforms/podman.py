"""Calls podman, and says what it refused."""

from __future__ import annotations

import fcntl
import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.wait import wait_for

REMOVAL_LIMIT_SECONDS = 60.0
# What `podman exec` gives a command; nothing of the controller's own environment goes in.
ENVIRONMENT = ("container=podman", "HOME=/root", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
STILL_DYING = "from runtime"  # podman's word for a runtime that could not clean up


def podman(*words: str, stdin: bytes | None = None) -> str:
    """Runs `podman WORDS` and returns what it printed.

    Raises LabError with podman's own words.
    """
    try:
        done = subprocess.run(["podman", *words], input=stdin, capture_output=True, check=False)
    except FileNotFoundError:
        raise LabError("podman: not on this machine; fix: apt-get install podman") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        cause = next((line for line in said if line.startswith("Error")), said[-1] if said else f"exit code {done.returncode}")
        raise LabError(f"podman {' '.join(words[:2])}: {cause}; fix: ./inv doctor says what this machine lacks")
    return done.stdout.decode(errors="replace")


def remove_container(container: str) -> None:
    """Ends and removes a container with its volumes; one that is not there is fine.

    On a busy computer its killed processes need a moment to die; the runtime cannot remove their control group before that, and podman
    gives up half-way. So it is told again until the container is gone. Raises LabError with podman's last words.
    """

    def refusal() -> str:
        try:
            podman("rm", "--force", "--time", "0", "--volumes", container)
        except LabError as error:
            return str(error) if exists("container", container) else ""
        return ""

    wait_for(
        f"container {container}: removed",
        refusal,
        lambda said: not said,
        REMOVAL_LIMIT_SECONDS,
        failed=lambda said: STILL_DYING not in said,
    )


def entering(container: str) -> list[str]:
    """Words that run what follows them in the container as root, by entering all namespaces of its first process.

    A third of what `podman exec` costs, which starts a monitor for each command. The command belongs to the control group of whoever
    runs it: limits of the container do not hold for it, and it ends with the container all the same. Raises LabError where none runs.
    """
    process = int(podman("container", "inspect", "--format", "{{.State.Pid}}", container))
    if process == 0:
        raise LabError(f"container {container}: does not run; fix: ./inv up starts a site's machines, molecule create those of a scenario")
    return ["nsenter", "--target", str(process), "--all", "--wdns=/", "/usr/bin/env", "--ignore-environment", *ENVIRONMENT]


@contextmanager
def exclusive(what: str = "podman") -> Iterator[None]:
    """Held while something shared by machines (image, network) is looked for and made; machines are made side by side."""
    with (Path(tempfile.gettempdir()) / f"strata-{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def exists(kind: str, name: str) -> bool:
    """Whether podman has a `container`, `network` or `image` of that name; exit code 1 is its word for no."""
    done = subprocess.run(["podman", kind, "exists", name], capture_output=True, check=False)
    if done.returncode not in (0, 1):
        raise LabError(f"podman {kind} exists {name}: {done.stderr.decode(errors='replace').strip()}; fix: ./inv doctor")
    return done.returncode == 0


def first_process(container: str) -> int:
    """The process that a running container began with; 0 where it does not run or is not there."""
    return int(inspect(container)["State"]["Pid"]) if exists("container", container) else 0


def inspect(name: str) -> dict[str, Any]:
    """What podman knows of a container."""
    found: Sequence[dict[str, Any]] = json.loads(podman("container", "inspect", name))
    return found[0]

"""Commands in the network namespace of another process, and what they say when they fail."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.simulators.ovirt.backend import BackendError


def run(command: Sequence[str], *, stdin: str = "") -> str:
    """What a program printed; raises BackendError with its own words."""
    try:
        done = subprocess.run(list(command), input=stdin, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BackendError(f"{command[0]}: is not on this computer; fix: ./inv doctor says what is missing") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise BackendError(f"{' '.join(command)}: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.stdout


def inside(pid: int, *command: str, stdin: str = "") -> str:
    """The same in the network namespace of a process; programs and files are ours."""
    return run(["nsenter", f"--net=/proc/{pid}/ns/net", "--", *command], stdin=stdin)


def batch(pid: int, commands: Sequence[str]) -> None:
    """Several `ip` commands in the network namespace of a process; the first that fails ends them."""
    inside(pid, "ip", "-batch", "-", stdin="\n".join(commands) + "\n")


def links(pid: int) -> list[dict[str, Any]]:
    """Interfaces in the network namespace of a process with their addresses, as `ip -json -details` shows them."""
    found: list[dict[str, Any]] = json.loads(inside(pid, "ip", "-json", "-details", "address", "show"))
    return [each for each in found if each]


def identity(pid: int) -> int:
    """Which namespace a process is in: equal numbers are the same one; 0 where the process is gone."""
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino if pid else 0
    except (FileNotFoundError, ProcessLookupError):
        return 0


def began(pid: int) -> str:
    """When a process began, in ticks since the boot; empty where there is none, or only what is left of it."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if words[0] == "Z" else words[19]

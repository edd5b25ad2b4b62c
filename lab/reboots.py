"""Reboots a machine, for checks that want to see what comes back."""

from __future__ import annotations

import contextlib
from typing import Any

from lab.errors import LabError
from lab.wait import wait_for

NOBODY_THERE = (RuntimeError, LabError)  # what ssh raises, and what a container that does not run just now


def reboot(host: Any, name: str, limit_seconds: float) -> None:
    """Reboots a testinfra host and waits until it lets us in again; raises LabError where it does not."""
    before = boot(host)
    with contextlib.suppress(*NOBODY_THERE):  # the connection may go down with the machine
        host.run("systemctl --no-block reboot")
    wait_for("a new boot", lambda: boot(host), lambda seen: seen not in ("", before), limit_seconds, where=name)


def boot(host: Any) -> str:
    """Changes with every boot, of a machine and of a container; empty while there is nobody to ask."""
    try:
        done = host.run("cat /proc/sys/kernel/random/boot_id && cut -d ' ' -f 22 /proc/1/stat")
    except NOBODY_THERE:
        return ""
    return str(done.stdout) if done.rc == 0 else ""

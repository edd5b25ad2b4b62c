"""One run per site at a time, and no children left over from a run that was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError

MARK = "STRATA_RUN"  # in the environment of every child: which site's artifacts it works for
GRACE_SECONDS = 10.0
# Only these are ended: kept-open SSH connections and the monitors of containers carry the mark as well.
OURS = ("ansible-playbook", "ansible-inventory", "AnsiballZ_", "pytest")


@contextmanager
def held(artifacts: Path, say: Callable[[str], None] = lambda line: None) -> Iterator[None]:
    """Holds the lock of a site; raises LabError naming the process that has it.

    The kernel gives the lock back when its holder dies, however that happens.
    """
    artifacts.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = artifacts / "lock"
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.pread(file, 32, 0).decode(errors="replace").strip() or "unknown"
            raise LabError(
                f"{path}: another run on this site is at work (process {pid})"
                f"; fix: wait until it ends, or end it with `kill -INT {pid}`, then give the same command again"
            ) from None
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        end_leftovers(artifacts, say)
        yield
        os.ftruncate(file, 0)
    finally:
        os.close(file)


def end_leftovers(artifacts: Path, say: Callable[[str], None]) -> None:
    """Ends the children of a run that was killed: two playbooks at the same machines would spoil each other's work."""
    found = leftovers(artifacts)
    if not found:
        return
    say(f"ending {len(found)} process(es) that an interrupted run left behind: {', '.join(map(str, sorted(found)))}")
    for sent, seconds in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, GRACE_SECONDS)):
        for pid in found:
            _signal(pid, sent)
        limit = time.monotonic() + seconds
        while found and time.monotonic() < limit:
            time.sleep(0.1)
            found = leftovers(artifacts)
        if not found:
            return
    raise LabError(f"process {min(found)}: was left behind by an interrupted run and does not end; fix: kill -9 {min(found)}")


def leftovers(artifacts: Path) -> set[int]:
    """The processes that carry this site's mark, but for this one and what called it."""
    return {pid for pid in marked(artifacts) if _is_ours(Path("/proc") / str(pid))}


def end_connections(artifacts: Path) -> None:
    """Closes the SSH connections that Ansible keeps open for its next run; their machines are about to go, or gone."""
    for pid in marked(artifacts):
        if _program(pid) == "ssh":
            _signal(pid, signal.SIGTERM)


def _is_ours(process: Path) -> bool:
    command = [word.decode(errors="replace").rpartition("/")[2] for word in words(process / "cmdline")[:4]]
    return any(word.startswith(OURS) for word in command)


def marked(artifacts: Path) -> set[int]:
    """All processes that carry this site's mark, but for this one and what called it."""
    wanted, own = f"{MARK}={artifacts}".encode(), _ancestors()
    pids = {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()} - own
    return {pid for pid in pids if wanted in words(Path("/proc") / str(pid) / "environ")}


def _program(pid: int) -> str:
    try:
        return (Path("/proc") / str(pid) / "comm").read_text().strip()
    except OSError:  # it ended meanwhile
        return ""


def words(file: Path) -> list[bytes]:
    """The words of a process's command line or environment in /proc; none where it ended."""
    try:
        return file.read_bytes().split(b"\0")
    except OSError:  # the process ended, or belongs to someone else
        return []


def _ancestors() -> set[int]:
    found, pid = set(), os.getpid()
    while pid > 0:
        found.add(pid)
        try:
            status = (Path("/proc") / str(pid) / "status").read_text()
        except OSError:
            break
        pid = int(next(line for line in status.splitlines() if line.startswith("PPid:")).split()[1])
    return found


def _signal(pid: int, sent: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
        os.kill(pid, sent)

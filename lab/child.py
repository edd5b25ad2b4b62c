"""Programs a run starts: each in a process group of its own, so that it can be ended with all it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from lab.errors import LabError
from lab.stages import ROOT

POLL_SECONDS = 0.1
GRACE_SECONDS = 10.0


class Children:
    """The programs that run now."""

    def __init__(self) -> None:
        """Starts with none."""
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._mutex = threading.Lock()
        self._is_stopped = False

    @property
    def is_stopped(self) -> bool:
        """Whether the run is being stopped."""
        return self._is_stopped

    def run(self, argv: list[str], env: Mapping[str, str], log: Path, meanwhile: Callable[[], None] = lambda: None) -> int:
        """Runs a program with all its output in `log`, calling `meanwhile` a few times a second; returns its exit code."""
        with log.open("wb") as out:
            child = self._start(argv, env, out.fileno())
            try:
                while child.poll() is None:
                    meanwhile()
                    time.sleep(POLL_SECONDS)
                meanwhile()
            finally:
                with self._mutex:
                    self._running.pop(child.pid, None)
                if child.poll() is None:
                    _end(child)
        return child.returncode

    def stop(self) -> None:
        """Ends what runs and refuses to start more; each program by its own group."""
        with self._mutex:
            self._is_stopped = True
            running = list(self._running.values())
        for child in running:
            _signal(child, signal.SIGTERM)
        limit = time.monotonic() + GRACE_SECONDS
        for child in running:
            try:
                child.wait(max(0.1, limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                _end(child)

    def _start(self, argv: list[str], env: Mapping[str, str], output: int) -> subprocess.Popen[bytes]:
        with self._mutex:
            if self._is_stopped:
                raise Stopped("the run was stopped")
            try:
                child = subprocess.Popen(
                    argv, cwd=ROOT, env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
                )
            except FileNotFoundError:
                raise LabError(f"{argv[0]}: is not installed; fix: ./inv doctor says what is missing") from None
            self._running[child.pid] = child
        return child


class Stopped(LabError):
    """A program was not started because the run is being stopped."""


def environment(**more: str) -> dict[str, str]:
    """The environment of a child: ours, with this installation's programs first on the path."""
    programs = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    if programs not in path.split(os.pathsep):
        path = programs + os.pathsep + path
    return {**os.environ, "PATH": path, **more}


def _signal(child: subprocess.Popen[bytes], sent: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
        os.killpg(child.pid, sent)


def _end(child: subprocess.Popen[bytes]) -> None:
    _signal(child, signal.SIGKILL)
    child.wait()

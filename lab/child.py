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
            child = self._start(argv, env, error=out.fileno())
            self._follow([child], meanwhile)
        return child.returncode

    def pipe(self, left: list[str], right: list[str], env: Mapping[str, str], logs: tuple[Path, Path]) -> tuple[int, int]:
        """Runs `left | right`, what each says besides the data in a log of its own; returns both exit codes, for either may fail."""
        with logs[0].open("wb") as said, logs[1].open("wb") as done:
            first = self._start(left, env, output=subprocess.PIPE, error=said.fileno())
            assert first.stdout is not None  # noqa: S101 - asked for in the line above
            try:
                second = self._start(right, env, source=first.stdout.fileno(), error=done.fileno())
            except BaseException:
                self._follow([first], end=True)
                raise
            finally:
                first.stdout.close()  # the second has it now: where that one ends, the first is told
            self._follow([first, second])
        return first.returncode, second.returncode

    def _follow(self, children: list[subprocess.Popen[bytes]], meanwhile: Callable[[], None] = lambda: None, end: bool = False) -> None:
        """Until all have ended; where this is interrupted, or `end` is asked for, they are ended."""
        try:
            while not end and any(child.poll() is None for child in children):
                meanwhile()
                time.sleep(POLL_SECONDS)
            meanwhile()
        finally:
            with self._mutex:
                for child in children:
                    self._running.pop(child.pid, None)
            for child in children:
                if child.poll() is None:
                    _end(child)

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

    def _start(
        self, argv: list[str], env: Mapping[str, str], *, error: int, output: int | None = None, source: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        with self._mutex:
            if self._is_stopped:
                raise Stopped("the run was stopped")
            try:
                child = subprocess.Popen(
                    argv,
                    cwd=ROOT,
                    env=dict(env),
                    stdin=source,
                    stdout=error if output is None else output,
                    stderr=error,
                    start_new_session=True,
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

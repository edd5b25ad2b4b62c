"""Shows a run while it goes: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lab.events import Event
from lab.schedule import Result

MARKS = {"up": ("✔", "green"), "failed": ("✘", "red"), "blocked": ("◌", "yellow"), "stopped": ("◌", "yellow")}


class Progress(Protocol):
    """What a run tells whoever watches it; called from several threads."""

    def stage(self, name: str, doing: str) -> None:
        """A stage begins with something: building, checking."""

    def event(self, name: str, event: Event) -> None:
        """Something happened in the playbook of a stage."""

    def ended(self, result: Result) -> None:
        """A stage ended."""

    def say(self, line: str) -> None:
        """A line for the operator."""

    def __enter__(self) -> Self:
        """Begins to show."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leaves the screen as it is."""


def make(names: list[str], last_seconds: Mapping[str, float]) -> Progress:
    """The live view on a terminal; plain lines when the output is a file, a pipe or a CI's."""
    if sys.stdout.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb":
        return LiveView(names, last_seconds)
    return PlainLines()


def duration(seconds: float) -> str:
    """Seconds as people write them: `4.2 s`, `3 min 10 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def outcome(result: Result) -> str:
    """How a stage ended, in words."""
    if result.words:
        return result.words
    if result.state == "up":
        left_out = f"; {result.left_out} disruptive ones left out" if result.left_out else ""
        return f"up: {'built' if result.was_built else 'unchanged'}, {result.check_count} checks passed{left_out}"
    if result.state == "blocked":
        return f"blocked by {result.blocked_by}"
    return result.state


class PlainLines:
    """A line per play, per role and per end of a stage."""

    def __init__(self) -> None:
        """Writes to standard output."""
        self._role: dict[str, str] = {}
        self._mutex = threading.Lock()

    def stage(self, name: str, doing: str) -> None:
        """One line."""
        self.say(f"{name}: {doing}")

    def event(self, name: str, event: Event) -> None:
        """A line where a new play or a new role begins, for each failure, and for what was left undone."""
        kind = event["event"]
        if kind == "play":
            self._role.pop(name, None)
            self.say(f"{name}: {event.get('name') or 'play'}")
        elif kind == "task" and event.get("role") and event["role"] != self._role.get(name):
            self._role[name] = event["role"]
            self.say(f"{name}: role {event['role']}")
        elif kind in {"failed", "unreachable"} and not event.get("ignored"):
            self.say(f"{name}: {kind}: {event.get('task')} on {event.get('host')}")
        elif kind == "notice":
            self.say(f"{name}: {event.get('text')}")

    def ended(self, result: Result) -> None:
        """One line."""
        self.say(f"{result.stage}: {outcome(result)} ({duration(result.seconds)})")

    def say(self, line: str) -> None:
        """The line after the time of day."""
        with self._mutex:
            print(f"{datetime.now().astimezone():%H:%M:%S} {line}", flush=True)

    def __enter__(self) -> Self:
        """Nothing to begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing to leave."""


@dataclass
class _Row:
    doing: str = "waits"
    task: str = ""
    hosts: set[str] = field(default_factory=set)
    started: float = 0.0
    result: Result | None = None


class LiveView:
    """One row per stage: what it does, on which machines, how long it took and how long it will take by the last run."""

    def __init__(self, names: list[str], last_seconds: Mapping[str, float], console: Console | None = None) -> None:
        """Shows nothing before it is entered."""
        self._rows = {name: _Row() for name in names}
        self._last = last_seconds
        self._mutex = threading.Lock()
        self._live = Live(console=console or Console(), get_renderable=self.table, refresh_per_second=4, transient=False)

    def stage(self, name: str, doing: str) -> None:
        """Changes the stage's row."""
        with self._mutex:
            row = self._rows[name]
            row.doing, row.task, row.hosts = doing, "", set()
            row.started = row.started or time.monotonic()

    def event(self, name: str, event: Event) -> None:
        """Changes the stage's row; a notice is a line above."""
        if event["event"] == "notice":
            self.say(f"{name}: {event.get('text')}")
        with self._mutex:
            row = self._rows[name]
            if event["event"] == "task":
                row.task = str(event.get("task"))
                row.hosts = set()
            elif event["event"] == "start":
                row.hosts.add(str(event.get("host")))
            elif event["event"] in {"ok", "failed", "unreachable"}:
                row.hosts.discard(str(event.get("host")))

    def ended(self, result: Result) -> None:
        """Closes the stage's row."""
        with self._mutex:
            self._rows[result.stage].result = result

    def say(self, line: str) -> None:
        """A line above the rows."""
        self._live.console.print(Text(line))

    def table(self) -> Table:
        """The rows as they are now."""
        table = Table(box=None, pad_edge=False, header_style="dim")
        for title in ("", "stage", "now", "elapsed", "left"):
            table.add_column(
                title, overflow="ellipsis", no_wrap=title != "now", justify="right" if title in {"elapsed", "left"} else "left"
            )
        with self._mutex:
            for name, row in self._rows.items():
                table.add_row(*self._cells(name, row))
        return table

    def _cells(self, name: str, row: _Row) -> tuple[Text, Text, Text, str, str]:
        if row.result:
            mark, style = MARKS[row.result.state]
            return Text(mark, style), Text(name), Text(outcome(row.result), style), duration(row.result.seconds), ""
        if not row.started:
            return Text(" "), Text(name), Text(row.doing, "dim"), "", self._left(name, 0)
        elapsed = time.monotonic() - row.started
        hosts = f" ({', '.join(sorted(row.hosts)[:4])})" if row.hosts else ""
        return Text("▶", "cyan"), Text(name), Text(f"{row.task or row.doing}{hosts}"), duration(elapsed), self._left(name, elapsed)

    def _left(self, name: str, elapsed: float) -> str:
        last = self._last.get(name, 0.0)
        if not last:
            return "?"
        return f"~{duration(last - elapsed)}" if last > elapsed else "longer than last time"

    def __enter__(self) -> Self:
        """Begins to draw."""
        self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Draws the last state, and leaves it on the screen."""
        self._live.__exit__(kind, error, trace)

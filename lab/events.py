"""Reads the events our callback plugin writes, while a playbook runs and after it ended."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Event = dict[str, Any]


class Feed:
    """What was added to an events file since the last look."""

    def __init__(self, path: Path) -> None:
        """Begins at the start of the file, which need not exist yet."""
        self.path = path
        self._offset = 0

    def new(self) -> list[Event]:
        """The events of all lines that are complete by now."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        complete = data[: data.rfind(b"\n") + 1]
        self._offset += len(complete)
        return parse(complete.decode(errors="replace").splitlines())


def read(path: Path) -> list[Event]:
    """All events of a run."""
    return Feed(path).new()


def parse(lines: Iterable[str]) -> list[Event]:
    """Events of lines; a line broken by a kill is left out."""
    found = []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "event" in event:
            found.append(event)
    return found


def first_failure(events: list[Event]) -> Event | None:
    """The failure that all others follow from: the first that was neither ignored nor rescued."""
    stats: dict[str, dict[str, int]] = next((event["hosts"] for event in reversed(events) if event["event"] == "stats"), {})
    rescued = {host: counts.get("rescued", 0) for host, counts in stats.items()}
    for event in events:
        if event["event"] not in {"failed", "unreachable"} or event.get("ignored"):
            continue
        host = str(event.get("host", ""))
        if event["event"] == "failed" and rescued.get(host, 0) > 0:
            rescued[host] -= 1
            continue
        return event
    return None


def failed_hosts(events: list[Event]) -> list[str]:
    """Every machine something failed on, in order."""
    bad = [str(event.get("host")) for event in events if event["event"] in {"failed", "unreachable"} and not event.get("ignored")]
    return list(dict.fromkeys(bad))

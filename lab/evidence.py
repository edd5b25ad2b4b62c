"""What restores have proven: of each source, when it was brought back last, how long that took and how old the data was."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from lab import private_file
from lab.ledger import age
from lab.progress import duration

VERSION = 1
KEPT = 50  # of each source; more tells nobody anything
FILE = "evidence.json"


@dataclass(frozen=True)
class Evidence:
    """One restore of one source and how it ended."""

    source: str
    machine: str
    how: Literal["drill", "restore"]
    proof: str  # service, files, authority, databases
    snapshot: str
    snapshot_time: str
    started: str
    rto_seconds: float  # from the start until the checks had passed
    rpo_seconds: float  # how much work would have been lost: the age of the backup at the start
    passed: int
    left_out: int
    result: Literal["proven", "failed"]
    problem: str = ""


def rpo(snapshot_time: str, started: str) -> float:
    """How old a backup was when the restore began; never less than nothing, for clocks differ a little."""
    return max(0.0, round((datetime.fromisoformat(started) - datetime.fromisoformat(snapshot_time)).total_seconds(), 1))


def span(seconds: float) -> str:
    """A time as people say it, from seconds to days."""
    for size, unit, part, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} {int(seconds % size // part)} {small}"
    return duration(seconds)


def now() -> str:
    """The time as evidence has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read(artifacts: Path, warn: Callable[[str], None] = lambda line: None) -> list[Evidence]:
    """All evidence of a site, oldest first; a broken file counts as none and is said, for evidence that cannot be read proves nothing."""
    path = artifacts / FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["version"] != VERSION:
            raise ValueError(f"version {data['version']}, this is version {VERSION}")
        return [Evidence(**entry) for entry in data["restores"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        warn(f"warning: {path}: is no evidence ({error or type(error).__name__}), so no restore counts as proven; fix: ./inv drill")
        return []


def add(artifacts: Path, entry: Evidence, warn: Callable[[str], None] = lambda line: None) -> None:
    """Adds one; the oldest of its source goes where there are too many. The file is replaced at once."""
    entries = [*read(artifacts, warn), entry]
    surplus = [index for index, one in enumerate(entries) if one.source == entry.source][:-KEPT]
    rows: list[dict[str, Any]] = [asdict(one) for index, one in enumerate(entries) if index not in surplus]
    private_file.write(artifacts / FILE, json.dumps({"version": VERSION, "restores": rows}, indent=2) + "\n")


def last(entries: list[Evidence], source: str) -> tuple[Evidence | None, Evidence | None]:
    """The last restore of a source that was proven, and the last one where that one failed."""
    own = [entry for entry in entries if entry.source == source]
    proven = next((entry for entry in reversed(own) if entry.result == "proven"), None)
    return proven, (own[-1] if own and own[-1].result == "failed" else None)


def cause(entry: Evidence) -> str:
    """Why a restore failed, in a line; the whole of it, with the fix, is in the entry."""
    return (entry.problem.splitlines() or [""])[0].partition("; fix:")[0]


def words(entries: list[Evidence], source: str, command: str) -> str:
    """What is proven of a source, in words; `command` is what would prove it."""
    proven, failed = last(entries, source)
    parts = []
    if failed:
        parts.append(f"last {failed.how} FAILED {age(failed.started)} ({cause(failed) or 'no reason kept'})")
    if proven:
        times = f"RTO {span(proven.rto_seconds)}, RPO {span(proven.rpo_seconds)}"
        parts.append(f"restore proven {age(proven.started)} by a {proven.how} ({times}, {proven.passed} checks)")
    return "; ".join(parts) or f"never restored, so nothing is proven: {command}"

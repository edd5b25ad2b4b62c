"""What of a site is backed up, as its inventory publishes it, and what the backup machine reports of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from lab.errors import InputError, LabError, suggest
from lab.sections.backup import AUTHORITY, DATABASES

VARIABLE = "backup_client_sources"
REPORT = "/usr/local/sbin/backup-report"

# How a restore of a source is proven, by a group of its machine; `files` where none is named here.
# A service is built anew on the spare machine and has to pass its own checks; of files every byte is compared; a dump is loaded, too.
SERVICES = frozenset({"git"})
Proof = Literal["service", "files", "authority", "databases"]


@dataclass(frozen=True)
class Source:
    """One thing that is backed up, and what has to be done around bringing it back."""

    name: str
    machine: str
    paths: tuple[str, ...]  # absolute; may have shell patterns
    stop: tuple[str, ...] = ()  # units that may not run meanwhile
    after: tuple[tuple[str, ...], ...] = ()  # commands, when they run again


@dataclass(frozen=True)
class Snapshot:
    """The newest backup of a source, as the backup machine's report has it; `snapshot` is empty where there is none."""

    machine: str
    source: str
    snapshot: str
    time: str
    age_seconds: float
    size_bytes: int
    problems: tuple[str, ...] = ()

    @property
    def taken(self) -> datetime:
        """When it was taken."""
        return datetime.fromisoformat(self.time)


def published(inventory: Mapping[str, Any]) -> dict[str, Source]:
    """Every source of a site by its name."""
    machines = inventory["_meta"]["hostvars"].items()
    found = [_source(machine, data) for machine, variables in machines for data in variables.get(VARIABLE) or ()]
    return {source.name: source for source in found}


def get(name: str, known: Mapping[str, Source]) -> Source:
    """The source of that name."""
    if not known:
        raise InputError("the site backs nothing up; fix: write the section `backup:` in its site.yml, then ./inv up")
    if name not in known:
        raise InputError(f"source {name}: the site has no such source; fix: {suggest(name, known)}")
    return known[name]


def proof(source: Source, inventory: Mapping[str, Any]) -> Proof:
    """How a restore of this source is proven."""
    if source.name == AUTHORITY:
        return "authority"
    if source.name == DATABASES:
        return "databases"
    groups = {group for group, data in inventory.items() if source.machine in data.get("hosts", ())}
    return "service" if groups & SERVICES else "files"


def report(text: str) -> dict[str, Snapshot]:
    """The backup machine's report, by source.

    Raises LabError where it is none: whoever cannot read the report knows nothing about the backups.
    """
    try:
        rows = [_snapshot(row) for row in json.loads(text)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabError(f"{REPORT}: printed what is no report ({error}); fix: ./inv up --only backup installs it anew") from None
    return {row.source: row for row in rows}


def newest(source: Source, found: Mapping[str, Snapshot]) -> Snapshot:
    """The newest backup of a source; raises LabError where there is none."""
    row = found.get(source.name)
    if row is None or not row.snapshot:
        why = f" ({'; '.join(row.problems)})" if row and row.problems else ""
        raise LabError(
            f"source {source.name}: there is no backup of it{why}; fix: take one, on {source.machine}: "
            f"systemctl start backup@{source.name}.service"
        )
    return row


def _source(machine: str, data: Mapping[str, Any]) -> Source:
    after = tuple(tuple(map(str, argv)) for argv in data.get("after_restore") or ())
    return Source(str(data["name"]), machine, tuple(map(str, data["paths"])), tuple(data.get("stop_for_restore") or ()), after)


def _snapshot(row: Mapping[str, Any]) -> Snapshot:
    taken = str(row.get("time") or "")
    if row.get("snapshot") and datetime.fromisoformat(taken).tzinfo is None:
        raise ValueError(f"{taken} has no time zone")
    problems = tuple(map(str, row.get("problems") or ()))
    age, size = float(row.get("age_seconds") or 0), int(row.get("size_bytes") or 0)
    return Snapshot(str(row["machine"]), str(row["source"]), str(row.get("snapshot") or ""), taken, age, size, problems)

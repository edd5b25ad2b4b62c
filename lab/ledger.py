"""What was built, from which inputs, and how long it took: so that "nothing changed" costs seconds.

The ledger is a cache and never the truth. Checks decide whether a stage is up; deleting the file only costs time.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab import playbook, private_file
from lab.stages import Stage

VERSION = 1
LISTED = 8  # reasons shown before "and N more"

Fingerprint = dict[str, str]


@dataclass
class Entry:
    """What is known about one stage."""

    fingerprint: Fingerprint = field(default_factory=dict)
    is_finished: bool = False
    built_at: str = ""
    checked_at: str = ""
    build_seconds: float = 0.0
    check_seconds: float = 0.0


class Ledger:
    """The ledger of one site; threads of one run may share it."""

    def __init__(self, path: Path, warn: Callable[[str], None] = lambda line: None) -> None:
        """Reads the file where there is one; a broken one counts as empty and is said."""
        self.path = path
        self.entries = _read(path, warn)
        self._mutex = threading.Lock()

    def get(self, name: str) -> Entry | None:
        """What is known about a stage."""
        return self.entries.get(name)

    def reasons(self, name: str, fingerprint: Fingerprint) -> list[str]:
        """Why a stage has to be built; empty where its inputs are those it was built from."""
        entry = self.entries.get(name)
        if entry is None or (not entry.fingerprint and entry.is_finished):
            return ["it was never built"]
        if not entry.is_finished:
            return ["its last build did not finish"]
        return reasons(entry.fingerprint, fingerprint)

    def begin(self, name: str) -> None:
        """Notes that a stage is being changed: until `finish`, its old fingerprint vouches for nothing."""
        with self._mutex:
            self.entries.setdefault(name, Entry()).is_finished = False
            self._write()

    def finish(self, name: str, fingerprint: Fingerprint, build_seconds: float, check_seconds: float) -> None:
        """Records a stage that was built and whose checks passed."""
        with self._mutex:
            self.entries[name] = Entry(fingerprint, True, now(), now(), round(build_seconds, 1), round(check_seconds, 1))
            self._write()

    def checked(self, name: str, check_seconds: float) -> None:
        """Records that the checks of an unchanged stage passed again."""
        with self._mutex:
            self.entries[name].checked_at = now()
            self.entries[name].check_seconds = round(check_seconds, 1)
            self._write()

    def drop(self, names: Iterable[str]) -> None:
        """Forgets stages."""
        with self._mutex:
            for name in names:
                self.entries.pop(name, None)
            self._write()

    def _write(self) -> None:
        text = json.dumps({"version": VERSION, "stages": {name: asdict(entry) for name, entry in self.entries.items()}}, indent=2)
        private_file.write(self.path, text + "\n")


def fingerprint(stage: Stage, inventory: Mapping[str, Any]) -> Fingerprint:
    """Everything a stage is built from, each part by its name and hash. Secrets enter as a hash only."""
    roles = playbook.used_roles(stage.playbook, stage.roles)
    prefixes = tuple(f"{role}_" for role in roles)
    parts: Fingerprint = {}
    played = playbook.machines(stage.playbook, inventory)
    for host, variables in sorted(inventory["_meta"]["hostvars"].items()):
        if host not in played:
            continue
        parts |= {f"site:{host}.{key}": _hash(value) for key, value in variables.items() if key.startswith(prefixes)}
    for group in sorted(playbook.groups(stage.playbook)):
        if members := playbook.members(inventory, group):
            parts[f"group:{group}"] = _hash(sorted(members))
    sources = [
        *playbook.files(stage.playbook, stage.roles),
        *playbook.programs(stage.root, stage.programs),
        stage.root / "requirements.lock",
    ]
    for file in sources:
        if file.is_file():
            name = file.relative_to(stage.root)
            parts[f"file:{name}"] = hashlib.sha256(file.read_bytes()).hexdigest()
    return parts


def reasons(old: Fingerprint, new: Fingerprint) -> list[str]:
    """What differs between two fingerprints, in words; the site first, then files."""
    found = [
        f"{_words(name)} {'was added' if name not in old else 'was removed' if name not in new else 'changed'}"
        for name in sorted(old.keys() | new.keys(), key=lambda name: (not name.startswith("site:"), name))
        if old.get(name) != new.get(name)
    ]
    if len(found) > LISTED:
        found = [*found[:LISTED], f"and {len(found) - LISTED} more"]
    return found


def now() -> str:
    """The time as the ledger writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def age(stamp: str) -> str:
    """How long ago a time of the ledger was, in words."""
    try:
        seconds = int((datetime.now(UTC) - datetime.fromisoformat(stamp)).total_seconds())
    except ValueError:
        return "at an unknown time"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return "just now"


def _read(path: Path, warn: Callable[[str], None]) -> dict[str, Entry]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["version"] != VERSION:
            raise ValueError(f"version {data['version']}, this is version {VERSION}")
        return {str(name): _entry(entry) for name, entry in data["stages"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        warn(f"warning: {path}: is not a ledger ({error or type(error).__name__}); going on without it, so every stage is built again")
        return {}


def _entry(data: Any) -> Entry:
    entry = Entry(**data)
    for name, kind in (("fingerprint", dict), ("is_finished", bool), ("built_at", str), ("build_seconds", (int, float))):
        if not isinstance(getattr(entry, name), kind):
            raise ValueError(f"{name} is {getattr(entry, name)!r}")
    return entry


def _words(name: str) -> str:
    kind, _, rest = name.partition(":")
    if kind == "site":
        host, _, variable = rest.partition(".")
        return f"site: {variable} of {host}"
    return f"members of group {rest}" if kind == "group" else rest


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()

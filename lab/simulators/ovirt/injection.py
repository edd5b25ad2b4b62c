"""Trouble on request: what the admin endpoint was told to let go wrong."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass
from typing import Any

from lab.errors import InputError

KINDS = ("slow", "unavailable", "html", "drop", "fault", "broken_upload")


@dataclass
class Injection:
    """One kind of trouble for requests whose method and path match, a number of times or for a time."""

    kind: str
    path: str = ".*"
    method: str = ".*"
    seconds: float = 0.0
    status: int = 503
    times: int = -1
    until: float = 0.0
    bytes: int = 0
    reason: str = ""
    detail: str = ""

    def is_over(self) -> bool:
        """Whether it has happened often or long enough."""
        return self.times == 0 or (self.until > 0 and time.time() > self.until)


class Injections:
    """What is to go wrong, in the order it was asked for."""

    def __init__(self) -> None:
        """Begins with none."""
        self._all: list[Injection] = []
        self._mutex = threading.Lock()

    def add(self, wanted: dict[str, Any]) -> Injection:
        """Adds one as the admin endpoint is given it; `for_seconds` ends it after a time.

        Raises InputError for words that mean nothing.
        """
        words = dict(wanted)
        for_seconds = float(words.pop("for_seconds", 0))
        unknown = set(words) - set(Injection.__dataclass_fields__) | {"until"} & set(words)
        if unknown:
            raise InputError(f"{sorted(unknown)[0]!r} means nothing here; fix: use {', '.join(sorted(Injection.__dataclass_fields__))}")
        if words.get("kind") not in KINDS:
            raise InputError(f"kind {words.get('kind')!r} does not exist; fix: use one of {', '.join(KINDS)}")
        injection = Injection(**words)
        re.compile(injection.path), re.compile(injection.method)
        injection.until = time.time() + for_seconds if for_seconds else 0.0
        with self._mutex:
            self._all.append(injection)
        return injection

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        with self._mutex:
            self._all.clear()

    def listed(self) -> list[dict[str, Any]]:
        """What is still to go wrong."""
        with self._mutex:
            return [vars(each) for each in self._all if not each.is_over()]

    def take(self, kinds: tuple[str, ...], method: str = "", path: str = "") -> Injection | None:
        """The first that matches, counted as happened."""
        with self._mutex:
            self._all = [each for each in self._all if not each.is_over()]
            for each in self._all:
                if each.kind in kinds and re.fullmatch(each.method, method) and re.search(each.path, path):
                    each.times -= 1 if each.times > 0 else 0
                    return each
        return None

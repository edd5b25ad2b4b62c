"""A simulated engine over real HTTPS for each test, and how to ask it for trouble."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from lab.ovirt.engine import Engine, Login, connect

pytest.importorskip("ovirtsdk4")

from lab.simulators.ovirt import Served, serve

Connect = Callable[..., AbstractContextManager[Engine]]
NO_DELAY = 0.0


class Admin:
    """The simulator's admin endpoint."""

    def __init__(self, served: Served) -> None:
        self._url = served.admin_url
        self._context = ssl.create_default_context(cafile=str(served.ca_file))
        self._login = base64.b64encode(f"{served.user}:{served.password}".encode()).decode()

    def ask(self, method: str, at: str = "", /, **body: Any) -> Any:
        """One request."""
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(self._url + at, data, {"Authorization": f"Basic {self._login}"}, method=method)
        with urllib.request.urlopen(request, context=self._context) as answer:
            return json.load(answer)

    def fault(self, kind: str, **words: Any) -> None:
        """Lets requests go wrong."""
        self.ask("POST", "/faults", kind=kind, **words)

    def writes(self) -> int:
        """How many requests other than questions the API got."""
        return int(self.ask("GET")["writes"])

    def requests(self) -> list[str]:
        """What was asked, oldest first."""
        return list(self.ask("GET", "/requests"))

    def forget(self) -> None:
        """Counts from zero."""
        self.ask("DELETE", "/requests")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A fresh engine."""
    with serve(tmp_path / "engine") as running:
        running.engine.delays |= dict.fromkeys(running.engine.delays, NO_DELAY)
        yield running


@pytest.fixture
def admin(served: Served) -> Admin:
    """Its admin endpoint."""
    return Admin(served)


@pytest.fixture
def login(served: Served) -> Login:
    """Who speaks to it."""
    return Login(served.url, served.user, served.password, served.ca_file)


@pytest.fixture
def engine(login: Login) -> Iterator[Engine]:
    """A connection to it."""
    with connect(login, patience_seconds=5) as connected:
        yield connected


@pytest.fixture
def checking(login: Login) -> Iterator[Engine]:
    """A connection in check mode."""
    with connect(login, check=True, patience_seconds=5) as connected:
        yield connected

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

from lab.ovirt import steps
from lab.ovirt.engine import Engine, Login, connect
from lab.ovirt.model import thing

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
        connected.pause_seconds, connected.longest_seconds = 0.02, 30
        yield connected


@pytest.fixture
def checking(login: Login) -> Iterator[Engine]:
    """A connection in check mode."""
    with connect(login, check=True, patience_seconds=5) as connected:
        yield connected


# In the order in which they build on each other; each with other values that it can be changed to.
SITE: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("mac_pool", {"name": "lab", "ranges": [{"from": "02:00:00:00:00:00", "to": "02:00:00:00:ff:ff"}]}, {"allow_duplicates": True}),
    ("data_center", {"name": "lab"}, {"description": "the lab"}),
    (
        "cluster",
        {"name": "main", "data_center": "lab", "cpu_type": "Intel Nehalem Family", "mac_pool": "lab"},
        {"description": "where VMs run"},
    ),
    ("network", {"name": "storage", "data_center": "lab", "vlan": 20, "mtu": 9000, "clusters": ["main"]}, {"required": True}),
    ("vnic_profile", {"name": "mirror", "data_center": "lab", "network": "storage"}, {"port_mirroring": True}),
    ("hypervisor", {"name": "node1", "cluster": "main", "address": "10.0.0.11", "password": "swordfish"}, {"state": "maintenance"}),
    (
        "hypervisor_network",
        {"name": "storage", "data_center": "lab", "hypervisor": "node1", "interface": "eth1", "address": "10.0.1.11/24"},
        {"address": "10.0.1.12/24"},
    ),
    (
        "storage_domain",
        {"name": "nas", "data_center": "lab", "hypervisor": "node1", "address": "nas.lab", "path": "/srv/vms"},
        {"description": "disks"},
    ),
]
NODE2 = {"name": "node2", "cluster": "main", "address": "10.0.0.12", "password": "swordfish"}


def values_of(kind: str, **other: Any) -> dict[str, Any]:
    """What a kind is in the site of the tests, with other values for some of it."""
    return next(values for name, values, _ in SITE if name == kind) | other


def build(engine: Engine, upto: str = "") -> None:
    """Makes the site, up to the kind that is to be tested."""
    for kind, values, _ in SITE:
        if kind == upto:
            return
        steps.ensure(engine, thing(kind, values))

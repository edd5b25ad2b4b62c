"""A simulator with no delays, and a connection of the unmodified SDK to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.simulators.ovirt import Served, serve
from lab.simulators.ovirt.engine import DELAYS
from lab.tests.simulators.shapes import Compared

NO_DELAYS = dict.fromkeys(DELAYS, 0.0)


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Served]:
    """Served over HTTPS on a free port; every answer of every test is compared with what was recorded of engines."""
    with serve(tmp_path / "simulator", delays=NO_DELAYS) as served:
        compared = Compared(served.server.router)
        served.server.router = compared  # type: ignore[assignment]
        yield served
        assert not compared.problems, "\n".join(sorted(compared.problems))


@pytest.fixture
def connection(simulator: Served) -> Iterator[Any]:
    """The SDK, logged in."""
    import ovirtsdk4  # type: ignore[import-untyped]

    found = ovirtsdk4.Connection(
        url=simulator.url, username=simulator.user, password=simulator.password, ca_file=str(simulator.ca_file), timeout=30
    )
    yield found
    found.close()


@pytest.fixture
def system(connection: Any) -> Any:
    """Where the SDK begins."""
    return connection.system_service()

"""A test double of a cloud over real HTTP for each test: see double.py for what that proves and what not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.openstack.cloud import Cloud, Login, connect
from lab.tests.openstack.double import PASSWORD, Double, serve
from lab.tests.openstack.double_services import new_double


@pytest.fixture
def double() -> Iterator[Double]:
    """A fresh one; what it did not understand fails the test."""
    with serve(new_double()) as served:
        yield served
    assert served.strange == []


@pytest.fixture
def login(double: Double) -> Login:
    """Who speaks to it."""
    return Login(f"{double.url}/identity/v3", "admin", PASSWORD, "lab")


@pytest.fixture
def cloud(login: Login) -> Iterator[Cloud]:
    """The real SDK, connected to the double."""
    with connect(login, patience_seconds=0) as connected:
        connected.pause_seconds = 0.01
        connected.longest_seconds = 5
        yield connected

"""The simulated engine of a site: what the machine's variables become, and its password."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.change import Change
from lab.simulators.ovirt import service, site_engine

VARIABLES = {
    "ovirt_simulator_site": "small",
    "ovirt_simulator_owner": "key.pub",
    "ovirt_simulator_engine": {"container": "small-engine", "address": "10.0.0.5", "fqdn": "engine.small"},
    "ovirt_simulator_hypervisors": {"10.0.0.6": "small-hv1"},
    "ovirt_simulator_suite": "trixie",
    "ovirt_simulator_password": "one",
    "baseline_hostname": "engine",
}


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    return site_engine.options_of(VARIABLES | {"ovirt_simulator_folder": str(tmp_path / "ovirt")})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the service was asked for, in place of a service."""
    seen: list[Any] = []

    def take(spec: Any, *, check: bool = False) -> Change:
        seen.append(spec)
        return Change("engine", not check)

    monkeypatch.setattr(service, "ensure", take)
    monkeypatch.setattr(service, "remove", take)
    return seen


def test_a_site_without_a_simulator_has_none() -> None:
    assert site_engine.of_inventory({"_meta": {"hostvars": {}}}) is None
    assert site_engine.of_inventory({"_meta": {"hostvars": {}}, "ovirt_simulator": {"hosts": []}}) is None


def test_the_service_is_given_what_the_machine_says(options: dict[str, Any], asked: list[Any]) -> None:
    site_engine.ensure(options)
    assert set(asked[0]) == {"folder", "site", "project", "engine", "hypervisors", "backend", "suite", "password_file"}
    assert (asked[0]["project"], asked[0]["backend"]) == ("key.pub", "auto")


def test_the_password_is_kept_for_its_owner_alone_and_follows_the_site(options: dict[str, Any], asked: list[Any]) -> None:
    file = Path(site_engine.given(options)["password_file"])
    site_engine.ensure(options, check=True)
    assert not file.exists()
    site_engine.ensure(options)
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("one\n", 0o600)
    site_engine.ensure(options | {"password": "two"})
    assert file.read_text() == "two\n"


def test_removing_it_takes_password_and_folder_along(options: dict[str, Any], asked: list[Any]) -> None:
    site_engine.ensure(options)
    site_engine.remove(options)
    assert not Path(options["folder"]).exists()

"""What goes when a site is taken down, and in which order; without a machine."""

from pathlib import Path
from typing import Any

import pytest

from lab import down, find, inventory, platforms, run, secrets
from lab import site as sites
from lab.change import Change
from lab.simulators.ovirt import site_engine

VALID = Path(__file__).parent / "sites" / "valid"


def built(path: Path) -> Any:
    site = sites.load(path)
    return inventory.build(site, dict.fromkeys(secrets.references(site), "x"))


class Removing:
    """A platform that only says what it is asked to remove."""

    def __init__(self, removed: list[str]) -> None:
        self.removed = removed

    def remove(self, name: str, spec: Any, *, check: bool = False) -> Change:
        self.removed.append(name)
        return Change(name, True)


def test_machines_on_ovirt_go_while_there_is_an_engine_and_the_router_last(monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[str] = []
    monkeypatch.setattr(platforms, "platform", lambda kind: Removing(removed))
    hosts = built(find.site())["_meta"]["hostvars"]
    platforms.remove_all(hosts, lambda _: None)
    assert (removed[0], removed[-1]) == ("tenant", "gate")
    assert sorted(removed) == sorted(hosts)


def test_vms_of_a_simulated_engine_go_with_it_and_those_of_a_real_one_by_themselves() -> None:
    assert "tenant" not in down.left_to_remove(built(find.site()))
    assert {"web1", "web2"} <= set(down.left_to_remove(built(VALID / "ovirt.yml")))
    assert "gate" in down.left_to_remove(built(VALID / "small.yml"))


def test_what_was_known_of_machines_that_are_gone_is_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "site.yml"
    file.write_text((VALID / "small.yml").read_text())
    site = sites.load(file)
    for known in ("facts/gate", "kubernetes/admin.conf", "ca/ca.crt"):
        (site.artifacts / known).parent.mkdir(parents=True)
        (site.artifacts / known).write_text("")
    down.forget(site)
    assert [path.name for path in site.artifacts.iterdir()] == ["ca"]


def test_the_end_of_a_run_says_what_of_ovirt_is_simulated_and_by_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_engine, "described", lambda options: f"{options['site']}'s simulator")
    lines = run.simulated(sites.load(find.site()))
    assert "simulated: oVirt with 1 machine, by rehearsal's simulator" in lines
    assert not [line for line in run.simulated(sites.load(VALID / "ovirt.yml")) if "oVirt" in line]

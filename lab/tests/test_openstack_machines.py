"""Modules that set up a cloud's machines: what they would change, as tables."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Any

import ansible.module_utils  # type: ignore[import-untyped]
import pytest

from lab.stages import ROOT


def load(name: str, folder: str = "modules") -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "lab" / "plugins" / folder / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CLIENT = load("mariadb_client", "module_utils")
sys.modules["ansible.module_utils.mariadb_client"] = CLIENT  # where Ansible puts it
ansible.module_utils.mariadb_client = CLIENT
DATABASE, SWITCH = load("openstack_database"), load("openstack_switch")
HASH = "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"  # of `password`, as every MariaDB has it
THERE = {"databases": ["nova"], "hash": HASH, "granted": ["nova"]}


@pytest.mark.parametrize(
    ("have", "statements"),
    [
        (THERE, []),
        ({**THERE, "databases": []}, ["CREATE DATABASE `nova`"]),
        ({**THERE, "granted": []}, ["GRANT ALL PRIVILEGES ON `nova`.* TO 'nova'@'localhost'"]),
        ({**THERE, "hash": "*OTHER"}, [f"ALTER USER 'nova'@'localhost' IDENTIFIED BY PASSWORD '{HASH}'"]),
        ({**THERE, "hash": None}, [f"CREATE USER 'nova'@'localhost' IDENTIFIED BY PASSWORD '{HASH}'"]),
    ],
)
def test_a_database_gets_what_it_lacks_and_never_the_password_itself(have: Any, statements: list[str]) -> None:
    assert DATABASE.missing(have, ["nova"], "nova", "password") == statements


def test_names_and_texts_stay_what_they_are_in_sql() -> None:
    assert DATABASE.text("it's \\") == r"'it''s \\'"
    assert DATABASE.name("a`b") == "`a``b`"


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("ERROR 1047 (08S01): WSREP has not yet prepared node for application use", "wait until wsrep_ready is ON"),
        ("ERROR 2002 (HY000): Can't connect to local server through socket", "journalctl -u mariadb"),
        ("ERROR 1064: syntax", "ERROR 1064: syntax"),
    ],
)
def test_a_database_that_is_not_ready_is_named(said: str, hint: str) -> None:
    assert CLIENT.explained(said).startswith(said)
    assert hint in CLIENT.explained(said)


class Database:
    """Answers in turn; the last answer stays. Its clock goes on by what is waited."""

    def __init__(self, *said: str) -> None:
        self.said, self.now = list(said), 0.0

    def ask(self, statements: list[str]) -> subprocess.CompletedProcess[str]:
        said = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        return subprocess.CompletedProcess([], 1 if said else 0, "", said)

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def awaited(self, limit_seconds: float) -> str:
        return str(CLIENT.awaited(self.ask, limit_seconds, lambda: self.now, self.wait))


JOINS = "ERROR 1047 (08S01): WSREP has not yet prepared node for application use"
STARTS = "ERROR 2002 (HY000): Can't connect to local server through socket"


def test_a_database_that_joins_its_cluster_is_waited_for() -> None:
    database = Database(STARTS, JOINS, JOINS, "")
    assert database.awaited(90) == ""
    assert 0 < database.now < 5


def test_a_database_that_never_joins_is_named_with_how_long_it_was_waited_for() -> None:
    database = Database(JOINS)
    assert "wait until wsrep_ready is ON, then run again; so for 8" in database.awaited(90)
    assert 80 < database.now <= 90


def test_a_database_that_refuses_for_another_cause_is_not_asked_again() -> None:
    database = Database("ERROR 1045 (28000): Access denied", "")
    assert database.awaited(90) == "ERROR 1045 (28000): Access denied"
    assert database.now == 0


@pytest.mark.parametrize(
    ("have", "wanted", "words"),
    [
        ({}, {"a": "1"}, ["--", "set", "Open_vSwitch", ".", 'external_ids:a="1"']),
        ({"a": "1"}, {"a": "1"}, []),
        ({"a": "1"}, {"a": "2"}, ["--", "set", "Open_vSwitch", ".", 'external_ids:a="2"']),
        ({"a": "1", "of-ovn": "x"}, {"a": ""}, ["--", "remove", "Open_vSwitch", ".", "external_ids", "a"]),
        ({}, {"a": ""}, []),
    ],
)
def test_a_switch_gets_the_settings_it_lacks(have: Any, wanted: Any, words: list[str]) -> None:
    assert SWITCH.settings("external_ids", have, wanted) == words


WANTED = {"name": "br-x", "datapath_type": "netdev", "fail_mode": "standalone", "ports": ["eth1"]}
SETTINGS = ["--", "set", "Bridge", "br-x", "datapath_type=netdev", "--", "set", "Bridge", "br-x", "fail_mode=standalone"]


@pytest.mark.parametrize(
    ("have", "ports", "words"),
    [
        (None, [], ["--", "add-br", "br-x", *SETTINGS, "--", "add-port", "br-x", "eth1"]),
        ({"datapath_type": "netdev", "fail_mode": "standalone"}, ["eth1", "patch"], []),
        ({"datapath_type": "system", "fail_mode": "standalone"}, ["eth1"], ["--", "set", "Bridge", "br-x", "datapath_type=netdev"]),
        ({"datapath_type": "netdev", "fail_mode": "standalone"}, [], ["--", "add-port", "br-x", "eth1"]),
    ],
)
def test_a_bridge_gets_what_it_lacks_and_keeps_ports_of_others(have: Any, ports: list[str], words: list[str]) -> None:
    assert SWITCH.bridge(WANTED, have, ports) == words


def test_what_the_switch_tells_is_read_as_plain_values() -> None:
    assert SWITCH.plain(["map", [["a", "1"], ["b", "2"]]]) == {"a": "1", "b": "2"}
    assert SWITCH.plain(["set", []]) == []
    assert SWITCH.plain("secure") == "secure"

"""Facts of EL machines: what is read from what their programs say, and that the Python of EL9 can read them."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from lab.stages import ROOT

PLUGINS = ROOT / "lab" / "plugins"
ON_MACHINES = [
    *(PLUGINS / "module_utils" / f"{name}.py" for name in ("el_network", "el_system", "nfs_write")),
    *(PLUGINS / "modules" / f"{name}.py" for name in ("el_facts", "nfs_probe")),
]
COLLECTION = ROOT / ".venv" / "collections" / "ansible_collections" / "ovirt" / "ovirt"


@cache
def utility(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, PLUGINS / "module_utils" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("file", ON_MACHINES, ids=lambda file: file.stem)
def test_what_runs_on_machines_is_python_of_el9(file: Path) -> None:
    ast.parse(file.read_text(), feature_version=(3, 9))


def test_the_processor_is_the_first_and_all_are_counted() -> None:
    text = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon: E3\nflags\t\t: vmx nx\n\nprocessor\t: 1\nflags\t: none\n"
    assert utility("el_system").cpu(text) == {"count": 2, "vendor": "GenuineIntel", "model": "Xeon: E3", "flags": ["vmx", "nx"]}
    assert utility("el_system").cpu("")["flags"] == []


def test_a_folder_that_is_not_there_yet_has_the_space_of_the_one_above(tmp_path: Path) -> None:
    space = utility("el_system").space
    assert space(str(tmp_path / "not" / "yet"))["size_gib"] == space(str(tmp_path))["size_gib"]


def test_a_package_that_is_not_installed_has_no_version() -> None:
    assert utility("el_system").packages("vdsm 4.50.6-1\npackage ovirt-engine is not installed\n") == {"vdsm": "4.50.6-1"}


def test_releases_are_read_without_their_quotes() -> None:
    assert utility("el_system").pairs("ID=\"centos\"\nNAME='CentOS Stream'\nodd\n") == {"ID": "centos", "NAME": "CentOS Stream"}


def test_interfaces_say_their_kind_and_what_is_below() -> None:
    said = [
        {
            "ifname": "enp1s0",
            "flags": ["UP"],
            "addr_info": [{"family": "inet", "local": "10.0.0.11"}, {"family": "inet6", "local": "fe80::1"}],
        },
        {"ifname": "bond0", "flags": ["UP"], "linkinfo": {"info_kind": "bond", "info_data": {"mode": "802.3ad"}}},
        {"ifname": "bond0.20", "link": "bond0", "linkinfo": {"info_kind": "vlan", "info_data": {"id": 20}}},
    ]
    found = utility("el_network").interfaces(json.dumps(said))
    assert found["enp1s0"]["addresses"] == ["10.0.0.11"] and found["enp1s0"]["is_up"]
    assert (found["bond0"]["kind"], found["bond0"]["mode"]) == ("bond", "802.3ad")
    assert (found["bond0.20"]["parent"], found["bond0.20"]["vlan"]) == ("bond0", 20)
    assert utility("el_network").interfaces("") == {}


def test_ports_are_those_somebody_listens_on() -> None:
    table = (
        "  sl  local_address rem_address   st\n   0: 00000000:01BB 00000000:0000 0A 0\n   1: 0100007F:1F90 0100007F:0016 01 0\n"
        "   2: 00000000000000000000000000000000:0016 0:0000 0A 0\n"
    )
    assert utility("el_network").listening(table) == {443, 22}


def test_profiles_are_those_of_interfaces() -> None:
    said = "enp1s0:/etc/NetworkManager/system-connections/a\\:b.nmconnection\n:/run/unused\n"
    assert utility("el_network").profiles(said) == {"enp1s0": "/etc/NetworkManager/system-connections/a:b.nmconnection"}


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ("mount.nfs: access denied by server while mounting nas:/x", "export it to this machine's address"),
        ("mount.nfs: Connection timed out", "let port 2049 through"),
        ("mount.nfs: something unheard of", "journalctl -u nfs-server"),
    ],
)
def test_a_mount_that_fails_says_what_to_do_and_leaves_no_folder(
    said: str, fix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(utility("nfs_write").tempfile, "tempdir", None)
    problem = utility("nfs_write").probe("nas:/x", lambda command: (32, "", said), 0, False)
    assert problem.startswith("cannot be mounted: mount.nfs: ") and fix in problem
    assert list(tmp_path.iterdir()) == []


def names_in(folder: Path) -> set[str]:
    """Every word of the files of a role."""
    return {word for file in folder.rglob("*") if file.is_file() for word in re.findall(r"\w+", file.read_text(errors="ignore"))}


def parsed(path: str) -> Any:
    return yaml.safe_load((ROOT / "roles" / "ovirt_engine" / path).read_text())


def test_the_collections_roles_know_every_variable_they_are_given() -> None:
    known = names_in(COLLECTION / "roles" / "hosted_engine_setup")
    assert set(parsed("vars/main.yml")["ovirt_engine_variables"]) - known == set()
    setup = next(task for task in parsed("tasks/standalone.yml") if "block" in task)
    given = set(setup["vars"]).union(*(task.get("vars", {}) for task in setup["block"]))
    assert given - names_in(COLLECTION / "roles" / "engine_setup") == set()


def test_the_answer_that_leaves_keycloak_out_is_one_of_the_collections() -> None:
    answer = "OVESETUP_CONFIG/keycloakEnable"
    assert any(answer in file.read_text() for file in (COLLECTION / "roles").rglob("*.yml"))
    assert answer in (ROOT / "roles" / "ovirt_engine" / "tasks" / "standalone.yml").read_text()

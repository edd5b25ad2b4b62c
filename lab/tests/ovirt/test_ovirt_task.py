"""What the modules call, with options as Ansible gives them: everything that was left out is None."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab.change import Change
from lab.errors import InputError, LabError
from lab.ovirt import task
from lab.simulators.ovirt import Served
from lab.simulators.ovirt.backend import BackendForTests, Seen
from lab.tests.ovirt.conftest import NODE2, SITE, Admin


class Tasks:
    """Runs tasks against a simulated engine."""

    def __init__(self, served: Served) -> None:
        self.engine = {"url": served.url, "user": served.user, "password": served.password, "token": None, "ca_file": str(served.ca_file)}

    def __call__(self, name: str, /, *, check: bool = False, **options: Any) -> Change:
        return task.run(name, {"engine": self.engine, "project": "/nowhere", "description": None, "keep": None} | options, check=check)


@pytest.fixture
def tasks(served: Served) -> Tasks:
    return Tasks(served)


def model(tmp_path: Path) -> dict[str, list[dict[str, Any]]]:
    image = tmp_path / "debian.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "64M"], check=True)
    vm = {"data_center": "lab", "cluster": "main", "template": "debian", "memory_mib": 1024, "vcpus": 1}
    return {kind: [values] for kind, values, _ in SITE} | {
        "hypervisor": [next(values for kind, values, _ in SITE if kind == "hypervisor"), NODE2],
        "template": [{"name": "debian", "cluster": "main", "storage_domain": "nas", "image": str(image)}],
        "vm": [vm | {"name": name} for name in ("web", "db")],
        "affinity_group": [{"name": "spread", "cluster": "main", "vms": ["web", "db"], "rule": "apart"}],
    }


def test_all_tasks_in_the_order_in_which_a_playbook_has_them(tasks: Tasks, served: Served, admin: Admin, tmp_path: Path) -> None:
    wanted = model(tmp_path)
    admin.forget()
    assert tasks("model", model=wanted, check=True).changed is True
    assert admin.writes() == 0
    assert tasks("model", model=wanted).changed is True
    assert tasks("model", model=wanted, state="present").changed is False
    assert tasks("placement", cluster="main", fix=False).changed is False

    backend = served.engine.backend
    assert isinstance(backend, BackendForTests)
    web = next(machine.id for machine in backend.machines.values() if machine.name == "web")
    backend.report(
        web, Seen("running", devices=({"name": "eth0", "mac": "02:00:00:00:00:01", "ips": [{"address": "10.0.1.50", "version": "v4"}]},))
    )
    assert tasks("address", vm="web", within="10.0.1.0/24", timeout_seconds=10).facts == {"address": "10.0.1.50"}
    assert tasks("address", vm="nobody", check=True).changed is False
    with pytest.raises(LabError, match=r"wait for its address: vm 'nobody' is not there; fix: "):
        tasks("address", vm="nobody")

    assert tasks("snapshot", vm="web", description="nightly 1").changed is True
    assert tasks("snapshot", vm="web", description="nightly 1", state="present").changed is False
    assert tasks("snapshot", vm="web", description="nightly", keep=0).after == {"snapshots": []}
    assert tasks("snapshot", vm="web", description="nightly 1", state="absent").changed is False

    assert tasks("vm", name="db", state="absent").changed is True
    assert tasks("vm", name="db", state="absent").changed is False
    assert tasks("model", model=wanted, state="absent", check=True).changed is True
    assert tasks("model", model=wanted, state="absent").changed is True
    assert tasks("model", model=wanted, state="absent").changed is False


def test_without_password_and_token_nothing_is_asked(tasks: Tasks) -> None:
    tasks.engine["password"] = None
    with pytest.raises(InputError, match="neither password nor token of admin@internal is given; fix: give one of them"):
        tasks("data_center", name="lab")


def test_before_there_is_an_engine_a_check_run_says_what_would_be_made(tasks: Tasks, tmp_path: Path) -> None:
    tasks.engine["ca_file"] = str(tmp_path / "absent.pem")
    planned = tasks("hypervisor", check=True, name="node1", cluster="main", address="10.0.0.11", password="swordfish")
    assert planned.changed
    assert planned.after == {"name": "node1", "cluster": "main", "address": "10.0.0.11"}
    assert planned.facts == {"does_not_exist_yet": [tasks.engine["url"]]}
    assert not tasks("vm", check=True, name="web", state="absent").changed
    assert not tasks("address", check=True, vm="web").changed
    with pytest.raises(InputError, match=r"its CA .*absent.pem is not there"):
        tasks("data_center", name="lab")

"""Machines of platform ovirt: made, found again, refused, removed; on an engine that is simulated."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError
from lab.ovirt import steps
from lab.ovirt.engine import Engine
from lab.ovirt.kinds import KINDS
from lab.ovirt.model import thing
from lab.ovirt.state import State
from lab.platforms import ovirt
from lab.platforms.ovirt import Ovirt
from lab.simulators.ovirt import Served
from lab.simulators.ovirt.backend import BackendForTests, Machine, Seen
from lab.tests.ovirt.conftest import Admin, build

ADDRESS = "10.0.1.30"
Spec = dict[str, Any]


@pytest.fixture
def spec(served: Served, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spec:
    """A machine on an engine with all it needs, whose guests say that they have the address they were to have."""
    build(engine)
    image = tmp_path / "debian.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "1G"], check=True)
    steps.ensure(engine, thing("template", {"name": "debian-1", "cluster": "main", "storage_domain": "nas", "image": image}))
    backend = served.engine.backend
    assert isinstance(backend, BackendForTests)
    start: Callable[[Machine, Path | None], str] = backend.start

    def speaking(machine: Machine, drive: Path | None) -> str:
        handle = start(machine, drive)
        ips = [{"address": ADDRESS, "version": "v4"}]
        backend.report(handle, Seen("running", "tenant", ({"name": "eth0", "mac": "52:54:00:00:00:30", "ips": ips},)))
        return handle

    monkeypatch.setattr(backend, "start", speaking)
    (tmp_path / "key.pub").write_text("ssh-ed25519 AAAA controller\n")
    return {
        "engine": {"url": served.url, "user": served.user, "password": served.password, "ca_file": str(served.ca_file)},
        "data_center": "lab",
        "cluster": "main",
        "template": "debian-1",
        "address": ADDRESS,
        "hostname": "tenant",
        "vcpus": 1,
        "memory_mib": 512,
        "disk_gib": 2,
        "nics": [{"name": "eth0", "network": "storage", "mac": "52:54:00:00:00:30"}],
        "addresses": [{"interface": "eth0", "address": f"{ADDRESS}/24", "gateway": "10.0.1.1"}],
        "dns_servers": ["10.0.1.1"],
        "dns_search": ["lab.internal"],
        "public_key_file": str(tmp_path / "key.pub"),
        "host_key_file": str(tmp_path / "hosts" / "tenant"),
    }


def vm(engine: Engine) -> Any:
    return KINDS["vm"].observe(State(engine)).get("tenant")


def test_a_machine_is_made_once_with_its_disk_address_and_keys(spec: Spec, engine: Engine, served: Served, admin: Admin) -> None:
    made = Ovirt().ensure("tenant", spec)
    assert made.changed
    values = vm(engine).values
    assert (values["state"], values["disk_gib"], values["template"]) == ("running", 2, "debian-1")
    assert values["addresses"] == {"eth0": f"{ADDRESS}/24"}
    assert values["nics"] == {"eth0": {"plugged": "storage/storage", "mac": "52:54:00:00:00:30"}}
    backend = served.engine.backend
    assert isinstance(backend, BackendForTests)
    drive = next(iter(backend.drives.values()))
    assert drive is not None
    told = (drive / "openstack/latest/user_data").read_text()
    public = Path(f"{spec['host_key_file']}.pub").read_text()
    assert made.facts["host_key"] == " ".join(public.split()[:2])
    assert public.strip() in told and "BEGIN OPENSSH PRIVATE KEY" in told

    admin.forget()
    assert not Ovirt().ensure("tenant", spec).changed
    assert admin.writes() == 0


def test_a_check_run_writes_neither_to_the_engine_nor_a_key(spec: Spec, admin: Admin) -> None:
    admin.forget()
    assert Ovirt().ensure("tenant", spec, check=True).changed
    assert admin.writes() == 0
    assert not Path(spec["host_key_file"]).exists()


def test_before_there_is_an_engine_a_check_run_says_that_it_would_be_made(spec: Spec, tmp_path: Path) -> None:
    nowhere = spec | {"engine": spec["engine"] | {"ca_file": str(tmp_path / "absent.pem")}}
    assert Ovirt().ensure("tenant", nowhere, check=True).changed
    assert not Ovirt().remove("tenant", nowhere).changed


def test_a_newer_template_is_for_new_machines(spec: Spec, engine: Engine) -> None:
    Ovirt().ensure("tenant", spec)
    assert not Ovirt().ensure("tenant", spec | {"template": "debian-2"}).changed
    assert vm(engine).values["template"] == "debian-1"


def test_a_larger_disk_grows_and_a_smaller_one_is_refused(spec: Spec, engine: Engine) -> None:
    Ovirt().ensure("tenant", spec)
    assert Ovirt().ensure("tenant", spec | {"disk_gib": 3}).changed
    assert vm(engine).values["disk_gib"] == 3
    with pytest.raises(LabError, match=r"its disk has 3 GiB and 2 GiB are wanted, but disks only grow; fix: write disk_gib: 3"):
        Ovirt().ensure("tenant", spec)


def test_a_vm_that_somebody_else_made_is_left_alone(spec: Spec, engine: Engine) -> None:
    other = {"data_center": "lab", "cluster": "main", "template": "debian-1", "memory_mib": 512, "vcpus": 1, "state": "stopped"}
    steps.ensure(engine, thing("vm", {"name": "tenant", "description": "the boss's", **other}))
    for act in (Ovirt().ensure, Ovirt().remove):
        with pytest.raises(
            LabError, match=r"machine tenant: .* did not make \(described as \"the boss's\"\); fix: rename or remove it there"
        ):
            act("tenant", spec)
    assert vm(engine).values["state"] == "stopped"


def test_a_removed_machine_takes_its_key_along(spec: Spec, engine: Engine) -> None:
    Ovirt().ensure("tenant", spec)
    assert Ovirt().remove("tenant", spec).changed
    assert vm(engine) is None
    assert not Path(spec["host_key_file"]).exists()
    assert not Ovirt().remove("tenant", spec).changed


def test_a_missing_key_of_the_controller_is_named(spec: Spec) -> None:
    with pytest.raises(LabError, match=r"absent.pub: is missing, so no machine could let the controller in; fix: ./inv up makes it"):
        Ovirt().ensure("tenant", spec | {"public_key_file": "/nowhere/absent.pub"})


def test_a_host_key_is_made_once_and_half_of_one_anew(tmp_path: Path) -> None:
    first = ovirt.key_pair(tmp_path / "tenant", "tenant", check=False)
    assert ovirt.key_pair(tmp_path / "tenant", "tenant", check=False) == first
    (tmp_path / "tenant.pub").unlink()
    assert ovirt.key_pair(tmp_path / "tenant", "tenant", check=False) != first
    assert (tmp_path / "tenant").stat().st_mode & 0o777 == 0o600

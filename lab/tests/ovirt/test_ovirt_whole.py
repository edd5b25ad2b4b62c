"""A whole site on an engine: from an image to VMs on different hypervisors, twice without a change, and away again."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError
from lab.ovirt import placement, snapshots, steps
from lab.ovirt.address import wait_for_address
from lab.ovirt.engine import Engine
from lab.ovirt.kinds import KINDS
from lab.ovirt.model import parse, thing
from lab.ovirt.sdk import types, word
from lab.ovirt.state import State
from lab.ovirt.teardown import teardown
from lab.ovirt.thing import Thing
from lab.simulators.ovirt import Served
from lab.simulators.ovirt.backend import BackendForTests, Seen
from lab.tests.ovirt.conftest import NODE2, SITE, Admin


def vm(name: str, host: int, **other: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"name": name, "data_center": "lab", "cluster": "main", "template": "debian", "memory_mib": 1024, "vcpus": 1}
    values["nics"] = [{"name": "nic1", "network": "storage"}]
    values["cloud_init"] = {
        "hostname": name,
        "addresses": [{"interface": "eth0", "address": f"10.0.1.{host}/24", "gateway": "10.0.1.1"}],
        "dns_servers": ["10.0.1.1"],
        "user": "admin",
        "authorized_keys": ["ssh-ed25519 AAAA admin"],
    }
    return values | other


@pytest.fixture
def image(tmp_path: Path) -> Path:
    file = tmp_path / "debian.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", file, "64M"], check=True)
    return file


@pytest.fixture
def values(image: Path) -> dict[str, list[dict[str, Any]]]:
    """The site of the tests with a second hypervisor, a template, two VMs, and a rule that they run apart."""
    return {kind: [values] for kind, values, _ in SITE} | {
        "hypervisor": [next(values for kind, values, _ in SITE if kind == "hypervisor"), NODE2],
        "template": [{"name": "debian", "cluster": "main", "storage_domain": "nas", "image": str(image)}],
        "vm": [vm("web", 50, disks=[{"name": "web-data", "size_gib": 1, "storage_domain": "nas"}]), vm("db", 51)],
        "affinity_group": [{"name": "spread", "cluster": "main", "vms": ["db", "web"], "rule": "apart"}],
    }


@pytest.fixture
def site(values: dict[str, list[dict[str, Any]]]) -> list[Thing]:
    return parse(values)


def test_a_site_is_planned_built_found_built_and_removed(engine: Engine, checking: Engine, site: list[Thing], admin: Admin) -> None:
    admin.forget()
    planned = steps.ensure_all(checking, site)
    assert admin.writes() == 0
    assert all(change.changed for change in planned)

    made = steps.ensure_all(engine, site)
    assert [change.what for change in made] == [change.what for change in planned]
    assert [change.after for change in made] == [change.after for change in planned]

    admin.forget()
    assert [change.what for change in steps.ensure_all(engine, site) if change.changed] == []
    assert [change.what for change in steps.ensure_all(checking, site) if change.changed] == []
    assert admin.writes() == 0

    removed = teardown(checking, site)
    assert admin.writes() == 0
    assert [change.what for change in teardown(engine, site)] == [change.what for change in removed]
    assert teardown(engine, site) == []
    state = State(engine)
    left = [key for kind in KINDS for key in KINDS[kind].observe(state)]
    assert [key for key in left if key not in SEEDED] == []


SEEDED = ("Default", "Blank", "Default/ovirtmgmt", "Default/ovirtmgmt/ovirtmgmt")


def test_nothing_of_the_making_of_a_template_stays(engine: Engine, site: list[Thing]) -> None:
    steps.ensure_all(engine, [item for item in site if item.kind not in ("vm", "affinity_group")])
    only_the_template(engine)


def only_the_template(engine: Engine) -> None:
    """The template with its disk is there, whose name is that of the disk it was made from, and nothing else."""
    state = State(engine)
    assert KINDS["template"].observe(state)["debian"].notes == {"disks": 1}
    attached = [one.id for item in state.objects("templates") for one in item.disk_attachments or ()]
    assert [disk.id for disk in state.objects("disks")] == attached
    assert state.objects("vms") == []


class Killed(BaseException):
    """Stands for kill -9."""


@pytest.mark.parametrize("where", ["carrier", "from_vm", "settle_template", "clean_up"])
def test_a_template_that_was_killed_half_made_is_made_to_its_end(
    engine: Engine, site: list[Thing], where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lab.ovirt import upload

    def killed(*_: object) -> None:
        raise Killed

    below = [item for item in site if item.kind not in ("vm", "affinity_group")]
    with monkeypatch.context() as patch:
        patch.setattr(upload, where, killed)
        with pytest.raises(Killed):
            steps.ensure_all(engine, below)
    steps.ensure_all(engine, below)
    only_the_template(engine)
    assert not any(change.changed for change in steps.ensure_all(engine, below))


def test_a_vm_gets_the_disk_that_was_uploaded_and_is_told_what_the_model_says(engine: Engine, served: Served, site: list[Thing]) -> None:
    steps.ensure_all(engine, site)
    backend = served.engine.backend
    assert isinstance(backend, BackendForTests)
    web = next(machine for machine in backend.machines.values() if machine.name == "web")
    assert sorted((disk.is_bootable, disk.size) for disk in web.disks) == [(False, 1024**3), (True, 64 * 1024**2)]
    drive = backend.drives[web.id]
    assert drive is not None
    told = "".join(file.read_text() for file in sorted(drive.rglob("*")) if file.is_file())
    assert all(part in told for part in ('"web"', "10.0.1.50", "255.255.255.0", "eth0", "ssh-ed25519 AAAA admin"))


def test_a_vm_speaks_vnc_even_where_its_template_speaks_spice(engine: Engine, site: list[Thing]) -> None:
    """EL9 has no SPICE."""
    steps.ensure_all(engine, [item for item in site if item.kind not in ("vm", "affinity_group")])
    state = State(engine)
    spice = types().Template(display=types().Display(type=types().DisplayType.SPICE))
    for template in state.objects("templates"):
        if template.name != "Blank":
            state.service("templates").template_service(template.id).update(spice)
    steps.ensure_all(engine, site)
    assert {word(vm.display.type) for vm in State(engine).objects("vms")} == {"vnc"}


@pytest.mark.parametrize(
    "other",
    [
        {"memory_mib": 2048},
        {"vcpus": 2},
        {"description": "serves pages"},
        {"state": "stopped"},
        {"nics": [{"name": "nic1", "network": "storage", "profile": "mirror"}]},
        {"nics": [{"name": "nic1", "network": "storage"}, {"name": "nic2", "network": "storage"}]},
        {"disks": [{"name": "web-data", "size_gib": 2, "storage_domain": "nas"}]},
        {"disks": [{"name": "web-data", "size_gib": 1, "storage_domain": "nas"}, {"name": "more", "size_gib": 1, "storage_domain": "nas"}]},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_vm_is_changed_where_it_differs_and_only_once(
    engine: Engine, values: dict[str, list[dict[str, Any]]], other: dict[str, Any]
) -> None:
    steps.ensure_all(engine, parse(values | {"affinity_group": []}))
    changed = thing("vm", values["vm"][0] | other)
    first = steps.ensure(engine, changed)
    assert [key for key in first.after if first.before[key] != first.after[key]] == list(other)
    assert steps.ensure(engine, changed).changed is False


def test_an_address_of_another_vm_is_refused_before_anything_is_written(
    engine: Engine, values: dict[str, list[dict[str, Any]]], admin: Admin
) -> None:
    steps.ensure_all(engine, parse(values))
    admin.forget()
    with pytest.raises(LabError, match=r"vm new: address 10.0.1.51 is already used by vm db; fix: "):
        steps.ensure(engine, thing("vm", vm("new", 51)))
    assert admin.writes() == 0


def placed(served: Served) -> dict[str, str]:
    backend = served.engine.backend
    assert isinstance(backend, BackendForTests)
    return {machine.name: backend.places[machine.id] for machine in backend.machines.values()}


def test_vms_that_run_together_against_their_rule_are_found_and_moved(
    engine: Engine, checking: Engine, served: Served, values: dict[str, list[dict[str, Any]]], admin: Admin
) -> None:
    group = values.pop("affinity_group")
    steps.ensure_all(engine, parse(values | {"hypervisor": values["hypervisor"][:1]}))
    steps.ensure_all(engine, parse(values | {"affinity_group": group}))
    assert placed(served) == {"web": "node1", "db": "node1"}
    with pytest.raises(LabError, match=r"affinity group spread: db, web run together on node1; fix: run this with fix"):
        placement.keep(engine, "main", fix=False)
    admin.forget()
    planned = placement.keep(checking, "main")
    assert admin.writes() == 0
    done = placement.keep(engine, "main")
    assert (done.changed, done.after) == (True, planned.after) and len(done.facts["moves"]) == 1
    assert set(placed(served).values()) == {"node1", "node2"}
    assert placement.keep(engine, "main").changed is False


def test_a_hypervisor_goes_into_maintenance_and_its_vms_move_away(
    engine: Engine, served: Served, values: dict[str, list[dict[str, Any]]]
) -> None:
    steps.ensure_all(engine, parse(values | {"affinity_group": []}))
    steps.ensure(engine, thing("hypervisor", values["hypervisor"][1] | {"state": "maintenance"}))
    assert set(placed(served).values()) == {"node1"}


def test_a_rule_that_cannot_be_kept_says_what_is_missing(engine: Engine, values: dict[str, list[dict[str, Any]]]) -> None:
    group = values.pop("affinity_group")
    steps.ensure_all(engine, parse(values | {"hypervisor": values["hypervisor"][:1]}))
    steps.ensure(engine, thing("affinity_group", group[0]))
    with pytest.raises(LabError, match=r"web must leave node1, and no hypervisor that is up may take it .*; fix: bring up another"):
        placement.keep(engine, "main")


def test_a_guest_is_there_when_it_says_so_itself(engine: Engine, served: Served, site: list[Thing]) -> None:
    steps.ensure_all(engine, site)
    backend = served.engine.backend
    assert isinstance(backend, BackendForTests)
    web = next(machine for machine in backend.machines.values() if machine.name == "web")
    with pytest.raises(LabError) as refused:
        wait_for_address(engine, "web", wanted="10.0.1.50", limit_seconds=0.1)
    assert "vm web reports address 10.0.1.50" in str(refused.value)
    assert "fix: the guest reports nothing: is qemu-guest-agent in the image" in str(refused.value)
    report(backend, web.id, "10.0.1.99")
    with pytest.raises(LabError, match=r"fix: the guest has 10.0.1.99 and not 10.0.1.50, so its first boot was not told or not heard"):
        wait_for_address(engine, "web", wanted="10.0.1.50", limit_seconds=3)
    report(backend, web.id, "10.0.1.50")
    assert wait_for_address(engine, "web", wanted="10.0.1.50", limit_seconds=5) == "10.0.1.50"
    assert wait_for_address(engine, "web", within="10.0.1.0/24", limit_seconds=5) == "10.0.1.50"


def report(backend: BackendForTests, machine: str, address: str) -> None:
    device = {"name": "eth0", "mac": "02:00:00:00:00:01", "ips": [{"address": address, "version": "v4"}]}
    backend.report(machine, Seen("running", fqdn="web.lab", devices=(device,)))


def test_a_snapshot_of_a_description_is_taken_once_and_old_ones_go(
    engine: Engine, checking: Engine, site: list[Thing], admin: Admin
) -> None:
    steps.ensure_all(engine, site)
    admin.forget()
    assert snapshots.ensure(checking, "web", "nightly 1").changed is True
    assert admin.writes() == 0
    for number in (1, 2, 3):
        assert snapshots.ensure(engine, "web", f"nightly {number}").changed is True
        assert snapshots.ensure(engine, "web", f"nightly {number}").changed is False
    snapshots.ensure(engine, "web", "before the upgrade")
    admin.forget()
    assert snapshots.prune(checking, "web", "nightly", 2).after == {"snapshots": ["nightly 2", "nightly 3"]}
    assert admin.writes() == 0
    pruned = snapshots.prune(engine, "web", "nightly", 2)
    assert (pruned.before, pruned.after) == (
        {"snapshots": ["nightly 1", "nightly 2", "nightly 3"]},
        {"snapshots": ["nightly 2", "nightly 3"]},
    )
    assert snapshots.prune(engine, "web", "nightly", 2).changed is False
    assert snapshots.ensure(engine, "web", "before the upgrade", wanted=False).changed is True
    assert snapshots.ensure(engine, "web", "before the upgrade", wanted=False).changed is False


def test_a_snapshot_of_a_vm_that_is_not_there_is_refused(engine: Engine, checking: Engine) -> None:
    with pytest.raises(LabError, match=r"snapshot 'x' of vm ghost: the VM is not there; fix: make it first"):
        snapshots.ensure(engine, "ghost", "x")
    assert snapshots.ensure(checking, "ghost", "x").changed is True


def test_a_template_without_its_disk_is_refused_before_a_vm_is_made(engine: Engine, site: list[Thing], admin: Admin) -> None:
    steps.ensure_all(engine, [item for item in site if item.kind in ("mac_pool", "data_center", "cluster", "network")])
    blank = {"data_center": "lab", "cluster": "main", "template": "Blank", "memory_mib": 1024, "vcpus": 1, "state": "stopped"}
    steps.ensure(engine, thing("vm", blank | {"name": "nothing"}))
    state = State(engine)
    empty = types().Template(name="debian", vm=types().Vm(id=state.id("vms", "nothing", "test")))
    state.service("templates").add(empty)
    admin.forget()
    with pytest.raises(LabError, match=r"vm web: template debian has no disk, so nothing would boot; fix: make the template again"):
        steps.ensure(engine, thing("vm", blank | {"name": "web", "template": "debian"}))
    assert admin.writes() == 0


def test_a_vm_that_does_not_start_is_explained_by_the_engines_events(
    engine: Engine, served: Served, values: dict[str, list[dict[str, Any]]]
) -> None:
    steps.ensure_all(engine, parse(values | {"vm": [], "affinity_group": []}))
    backend = served.engine.backend
    assert isinstance(backend, BackendForTests)
    backend.refuse("start", "the bridge storage is not there")
    with pytest.raises(LabError) as refused:
        steps.ensure(engine, thing("vm", vm("web", 50)))
    said = str(refused.value)
    assert f"vm web runs at {engine.login.url}: " in said
    assert "the engine's events meanwhile: " in said and "the bridge storage is not there" in said
    backend.refuse("start", "")
    assert steps.ensure(engine, thing("vm", vm("web", 50))).before["state"] == "stopped"

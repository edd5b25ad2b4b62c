"""The planner over what is wanted and what is there, without any engine."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from lab.errors import LabError
from lab.ovirt.model import parse, thing
from lab.ovirt.plan import Found, Seen, plan

SHA = "a" * 64
OTHER = "b" * 64
THINGS: dict[str, dict[str, Any]] = {
    "mac_pool": {"name": "lab", "ranges": [{"from": "02:00:00:00:00:00", "to": "02:00:00:00:ff:ff"}]},
    "data_center": {"name": "lab", "description": "the lab"},
    "cluster": {"name": "main", "data_center": "lab", "cpu_type": "Intel Nehalem Family", "mac_pool": "lab"},
    "network": {"name": "storage", "data_center": "lab", "vlan": 20, "mtu": 9000, "clusters": ["main"]},
    "vnic_profile": {"name": "storage", "data_center": "lab", "network": "storage"},
    "hypervisor": {"name": "node1", "cluster": "main", "address": "10.0.0.11", "password": "x"},
    "hypervisor_network": {"name": "storage", "data_center": "lab", "hypervisor": "node1", "interface": "eth1", "address": "10.0.1.11/24"},
    "storage_domain": {"name": "nas", "data_center": "lab", "hypervisor": "node1", "address": "nas.lab", "path": "/srv/vms"},
    "template": {"name": "debian", "cluster": "main", "storage_domain": "nas", "image": "/nowhere/debian.qcow2", "sha256": SHA},
    "vm": {
        "name": "web",
        "data_center": "lab",
        "cluster": "main",
        "template": "debian",
        "memory_mib": 1024,
        "vcpus": 2,
        "nics": [{"name": "nic1", "network": "storage"}],
        "disks": [{"name": "web-data", "size_gib": 10, "storage_domain": "nas"}],
        "cloud_init": {"hostname": "web", "addresses": [{"interface": "eth0", "address": "10.0.1.50/24"}]},
    },
    "affinity_group": {"name": "spread", "cluster": "main", "vms": ["web"], "rule": "apart"},
}
# The same things as the engine has them once they were made, with more than the model decides.
THERE: dict[str, tuple[str, dict[str, Any]]] = {
    "mac_pool": ("lab", {"ranges": ["02:00:00:00:00:00 to 02:00:00:00:ff:ff"], "allow_duplicates": False}),
    "data_center": ("lab", {"description": "the lab"}),
    "cluster": ("main", {"data_center": "lab", "description": "", "cpu_type": "Intel Nehalem Family", "mac_pool": "lab"}),
    "network": (
        "lab/storage",
        {"vlan": 20, "mtu": 9000, "vm_network": True, "description": "", "clusters": {"main": "optional", "second": "required"}},
    ),
    "vnic_profile": ("lab/storage/storage", {"port_mirroring": False, "description": ""}),
    "hypervisor": ("node1", {"address": "10.0.0.11", "cluster": "main", "state": "up"}),
    "hypervisor_network": ("node1/storage", {"interface": "eth1", "address": "10.0.1.11/24", "gateway": None}),
    "storage_domain": (
        "nas",
        {"data_center": "lab", "address": "nas.lab", "path": "/srv/vms", "type": "data", "state": "active", "description": ""},
    ),
    "template": ("debian", {"cluster": "main", "sha256": SHA}),
    "vm": (
        "web",
        {
            "cluster": "main",
            "template": "debian",
            "memory_mib": 1024,
            "vcpus": 2,
            "state": "running",
            "description": "",
            "nics": {"nic1": {"plugged": "storage/storage", "mac": "02:00:00:00:00:01"}, "added-by-hand": {"plugged": "", "mac": "x"}},
            "disks": {"web-data": {"size_gib": 10, "storage_domain": "nas"}},
            "hostname": "web",
            "addresses": {"eth0": "10.0.1.50/24"},
        },
    ),
    "affinity_group": ("main/spread", {"rule": "apart", "enforcing": True, "vms": ["web"], "description": ""}),
}
ORDER = list(THINGS)


def model() -> list[Any]:
    return parse({kind: [values] for kind, values in THINGS.items()})


def there(**changed: dict[str, Any] | None) -> Found:
    """The engine with everything made, but for these values; a kind that is None is not there."""
    return {
        kind: {} if changed.get(kind, {}) is None else {key: Seen(f"id-{kind}", values | (changed.get(kind) or {}), {"disks": 1})}
        for kind, (key, values) in THERE.items()
    }


def test_on_an_empty_engine_everything_is_created_in_an_order_that_works() -> None:
    steps = plan(model(), {})
    assert {step.action for step in steps} == {"create"}
    done: set[Any] = set()
    needs = {item.ref: item.needs() for item in model()}
    for step in steps:
        assert set(needs[step.ref]) <= done, f"{step.ref} comes before what it needs"
        done.add(step.ref)
    assert len(done) == len(THINGS)


def test_the_order_of_the_model_does_not_matter() -> None:
    backwards = list(reversed(model()))
    done: set[Any] = set()
    for step in plan(backwards, {}):
        assert set(next(item for item in backwards if item.ref == step.ref).needs()) <= done
        done.add(step.ref)


def test_on_an_engine_that_has_everything_nothing_happens() -> None:
    assert {step.action for step in plan(model(), there())} == {"nothing"}


@pytest.mark.parametrize("kind", ORDER)
def test_what_is_missing_is_created_and_nothing_else(kind: str) -> None:
    steps = plan(model(), there(**{kind: None}))
    assert [step.ref.kind for step in steps if step.action != "nothing"] == [kind]


@pytest.mark.parametrize(
    ("kind", "engine", "differs"),
    [
        ("mac_pool", {"ranges": []}, {"ranges": ["02:00:00:00:00:00 to 02:00:00:00:ff:ff"]}),
        ("data_center", {"description": "old"}, {"description": "the lab"}),
        ("cluster", {"cpu_type": "Intel Westmere Family"}, {"cpu_type": "Intel Nehalem Family"}),
        ("cluster", {"mac_pool": "Default"}, {"mac_pool": "lab"}),
        ("network", {"vlan": None}, {"vlan": 20}),
        ("network", {"mtu": 1500}, {"mtu": 9000}),
        ("network", {"vm_network": False}, {"vm_network": True}),
        ("network", {"clusters": {}}, {"clusters": {"main": "optional"}}),
        ("network", {"clusters": {"main": "required"}}, {"clusters": {"main": "optional"}}),
        ("vnic_profile", {"port_mirroring": True}, {"port_mirroring": False}),
        ("hypervisor", {"state": "maintenance"}, {"state": "up"}),
        ("hypervisor", {"state": "non_responsive"}, {"state": "up"}),
        ("hypervisor_network", {"interface": "eth2"}, {"interface": "eth1"}),
        ("hypervisor_network", {"address": None}, {"address": "10.0.1.11/24"}),
        ("storage_domain", {"data_center": None, "state": "unattached"}, {"data_center": "lab", "state": "active"}),
        ("vm", {"memory_mib": 512}, {"memory_mib": 1024}),
        ("vm", {"state": "stopped"}, {"state": "running"}),
        ("vm", {"state": "paused"}, {"state": "running"}),
        ("vm", {"nics": {}}, {"nics": {"nic1": {"plugged": "storage/storage"}}}),
        ("vm", {"nics": {"nic1": {"plugged": ""}}}, {"nics": {"nic1": {"plugged": "storage/storage"}}}),
        (
            "vm",
            {"disks": {"web-data": {"size_gib": 5, "storage_domain": "nas"}}},
            {"disks": {"web-data": {"size_gib": 10, "storage_domain": "nas"}}},
        ),
        ("affinity_group", {"vms": ["db", "web"]}, {"vms": ["web"]}),
        ("affinity_group", {"rule": None, "enforcing": None}, {"rule": "apart", "enforcing": True}),
    ],
)
def test_what_differs_is_updated_and_shown(kind: str, engine: dict[str, Any], differs: dict[str, Any]) -> None:
    changed = [step for step in plan(model(), there(**{kind: engine})) if step.action != "nothing"]
    assert [(step.ref.kind, step.action, step.changes) for step in changed] == [(kind, "update", differs)]


@pytest.mark.parametrize(
    ("kind", "engine"),
    [
        ("network", {"clusters": {"main": "optional", "third": "required"}}),
        ("cluster", {"description": "", "ksm": True}),
        ("vm", {"addresses": None, "hostname": None}),
    ],
)
def test_what_the_model_does_not_decide_or_the_engine_does_not_tell_is_left_alone(kind: str, engine: dict[str, Any]) -> None:
    untold = [key for key, value in engine.items() if value is None]
    steps = plan(model(), there(**{kind: engine}))
    assert [key for step in steps for key in step.changes if key not in untold] == []


@pytest.mark.parametrize(
    ("kind", "engine", "message"),
    [
        (
            "cluster",
            {"data_center": "Default"},
            "cluster main: data_center is 'Default' on the engine and 'lab' is wanted, which cannot be",
        ),
        ("hypervisor", {"address": "10.0.0.99"}, "hypervisor node1: address is '10.0.0.99' on the engine and '10.0.0.11' is wanted"),
        ("storage_domain", {"path": "/old"}, "storage domain nas: path is '/old' on the engine and '/srv/vms' is wanted"),
        ("vm", {"template": "other"}, "vm web: template is 'other' on the engine and 'debian' is wanted"),
        ("vm", {"addresses": {"eth0": "10.0.1.51/24"}}, "vm web: addresses is {'eth0': '10.0.1.51/24'} on the engine"),
        ("vm", {"disks": {"web-data": {"size_gib": 20}}}, "vm web: disk web-data has 20 GiB and 10 GiB are wanted, but disks only grow"),
        ("template", {"sha256": OTHER}, "template debian: was made from the image bbbbbbbbbbbb… and VMs are made from it (web); fix: "),
        ("template", {"sha256": None}, "template debian: was not made here, so its image is not known"),
    ],
)
def test_what_cannot_be_changed_is_refused_with_both_values(kind: str, engine: dict[str, Any], message: str) -> None:
    with pytest.raises(LabError) as refused:
        plan(model(), there(**{kind: engine}), where="https://engine/api")
    assert str(refused.value).startswith(f"https://engine/api: {message}")
    assert "fix: " in str(refused.value)


def test_everything_that_stands_in_the_way_is_said_at_once() -> None:
    engine = there(cluster={"data_center": "Default"}, storage_domain={"type": "iso"})
    with pytest.raises(LabError) as refused:
        plan(model(), engine)
    assert [line.split(":")[1].strip() for line in str(refused.value).splitlines()] == ["cluster main", "storage domain nas"]


@pytest.mark.parametrize("kind", ["cluster", "template", "network", "storage_domain"])
def test_a_thing_whose_need_is_nowhere_is_refused_with_what_is_near(kind: str) -> None:
    things = [item for item in model() if item.kind != kind]
    engine = there(**{kind: None})
    near = {"cluster": "mian", "template": "debain", "network": "lab/storag", "storage_domain": "nsa"}[kind]
    engine = dict(engine) | {kind: {near: Seen("1", {})}}
    with pytest.raises(LabError, match=rf"which is neither in the model nor on the engine; fix: did you mean {near}\?"):
        plan(things, engine)


def test_one_thing_in_check_mode_notes_what_other_steps_would_have_made() -> None:
    step = plan([thing("cluster", THINGS["cluster"])], {}, alone=True)[0]
    assert step.action == "create"
    assert step.change().facts == {"does_not_exist_yet": ["data center lab", "mac pool lab"]}


def test_an_address_of_another_vm_of_the_model_is_refused_for_both() -> None:
    twin = THINGS["vm"] | {"name": "twin", "disks": []}
    things = parse({kind: [values] for kind, values in THINGS.items()} | {"vm": [THINGS["vm"], twin]})
    with pytest.raises(LabError) as refused:
        plan(things, {})
    assert str(refused.value).splitlines() == [
        "the engine: vm web: address 10.0.1.50 is already used by vm twin; fix: give one of them another address",
        "the engine: vm twin: address 10.0.1.50 is already used by vm web; fix: give one of them another address",
    ]


@pytest.mark.parametrize(
    "stranger",
    [Seen("9", {"addresses": {"eth0": "10.0.1.50/16"}}), Seen("9", {"addresses": None}, {"reported": ["10.0.1.50"]})],
    ids=["told", "reported"],
)
def test_an_address_that_a_vm_on_the_engine_has_is_refused(stranger: Seen) -> None:
    engine = dict(there(vm=None)) | {"vm": {"stranger": stranger}}
    with pytest.raises(LabError, match=r"vm web: address 10.0.1.50 is already used by vm stranger"):
        plan(model(), engine)


def test_a_template_without_its_disk_makes_no_vm() -> None:
    engine = dict(there(vm=None)) | {"template": {"debian": Seen("1", THERE["template"][1], {"disks": 0})}}
    things = [item for item in model() if item.kind != "template"]
    with pytest.raises(LabError, match=r"vm web: template debian has no disk, so nothing would boot; fix: make the template again"):
        plan(things, engine)


def test_another_image_replaces_a_template_only_where_that_was_asked_for() -> None:
    unused = there(template={"sha256": OTHER}, vm={"template": "other"})
    alone = [thing("template", THINGS["template"])]
    with pytest.raises(LabError, match=r"another name for the new one, or replace: true"):
        plan(alone, unused)
    steps = plan([thing("template", THINGS["template"] | {"replace": True})], unused)
    assert [(step.action, step.before["sha256"], step.after["sha256"]) for step in steps] == [("update", OTHER, SHA)]


def test_an_image_that_is_not_built_yet_is_no_difference() -> None:
    unknown = thing("template", {key: value for key, value in THINGS["template"].items() if key != "sha256"})
    assert [step.action for step in plan([unknown], there())] == ["nothing"]


def test_a_change_shows_before_and_after_and_never_a_password() -> None:
    for step in plan(model(), {}):
        change = step.change()
        assert change.changed and change.before == {} and change.after
        assert "password" not in str(change)


def test_planning_many_vms_costs_as_they_are_many_and_not_their_square() -> None:
    def lines(count: int) -> int:
        """How many lines run: what a clock says depends on what else the computer does."""
        vms = [
            THINGS["vm"]
            | {
                "name": f"vm{number}",
                "cloud_init": {
                    "hostname": f"vm{number}",
                    "addresses": [{"interface": "eth0", "address": f"10.{number // 250}.1.{number % 250}/8"}],
                },
            }
            for number in range(count)
        ]
        things = parse({kind: [values] for kind, values in THINGS.items() if kind != "affinity_group"} | {"vm": vms})
        ran = 0

        def trace(*_: object) -> Any:
            nonlocal ran
            ran += 1
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            plan(things, {})
        finally:
            sys.settrace(before)
        return ran

    assert lines(400) / lines(100) < 6

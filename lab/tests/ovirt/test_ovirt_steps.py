"""Every kind of thing over real HTTPS: made, found as wanted, changed, removed; and in check mode nothing is ever written."""

from __future__ import annotations

from typing import Any

import pytest

from lab.errors import LabError
from lab.ovirt import steps
from lab.ovirt.engine import Engine
from lab.ovirt.model import thing
from lab.tests.ovirt.conftest import Admin

# In the order in which they build on each other; each with another value that it can be changed to, or none.
NETWORKING: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("mac_pool", {"name": "lab", "ranges": [{"from": "02:00:00:00:00:00", "to": "02:00:00:00:ff:ff"}]}, {"allow_duplicates": True}),
    ("data_center", {"name": "lab"}, {"description": "the lab"}),
    (
        "cluster",
        {"name": "main", "data_center": "lab", "cpu_type": "Intel Nehalem Family", "mac_pool": "lab"},
        {"description": "where VMs run"},
    ),
    ("network", {"name": "storage", "data_center": "lab", "vlan": 20, "mtu": 9000, "clusters": ["main"]}, {"required": True}),
    ("vnic_profile", {"name": "mirror", "data_center": "lab", "network": "storage"}, {"port_mirroring": True}),
    ("hypervisor", {"name": "node1", "cluster": "main", "address": "10.0.0.11", "password": "swordfish"}, {"state": "maintenance"}),
    (
        "hypervisor_network",
        {"name": "storage", "data_center": "lab", "hypervisor": "node1", "interface": "eth1", "address": "10.0.1.11/24"},
        {"address": "10.0.1.12/24"},
    ),
]


def build(engine: Engine, upto: str = "") -> None:
    for kind, values, _ in NETWORKING:
        if kind == upto:
            return
        steps.ensure(engine, thing(kind, values))


@pytest.mark.parametrize(("kind", "values", "other"), NETWORKING, ids=lambda value: value if isinstance(value, str) else "")
def test_a_thing_is_made_once_changed_once_and_removed_once(
    kind: str, values: dict[str, Any], other: dict[str, Any], engine: Engine
) -> None:
    build(engine, kind)
    first = thing(kind, values)
    change = steps.ensure(engine, first)
    assert (change.changed, change.before, change.after) == (True, {}, first.wanted())
    assert steps.ensure(engine, first).changed is False

    second = thing(kind, values | other)
    change = steps.ensure(engine, second)
    assert change.changed and change.before == first.wanted() and change.after == second.wanted()
    assert steps.ensure(engine, second).changed is False

    assert steps.remove(engine, kind, first.key).changed is True
    assert steps.remove(engine, kind, first.key).changed is False


@pytest.mark.parametrize(("kind", "values", "other"), NETWORKING, ids=lambda value: value if isinstance(value, str) else "")
def test_check_mode_on_an_empty_engine_says_what_would_be_and_writes_nothing(
    kind: str, values: dict[str, Any], other: dict[str, Any], checking: Engine, admin: Admin
) -> None:
    admin.forget()
    change = steps.ensure(checking, thing(kind, values))
    assert change.changed and change.after
    assert steps.remove(checking, kind, thing(kind, values).key).changed is False
    assert admin.writes() == 0


@pytest.mark.parametrize(("kind", "values", "other"), NETWORKING, ids=lambda value: value if isinstance(value, str) else "")
def test_check_mode_on_a_built_engine_is_right_and_writes_nothing(
    kind: str, values: dict[str, Any], other: dict[str, Any], engine: Engine, checking: Engine, admin: Admin
) -> None:
    build(engine)
    admin.forget()
    assert steps.ensure(checking, thing(kind, values)).changed is False
    change = steps.ensure(checking, thing(kind, values | other))
    assert change.changed and change.before != change.after
    assert steps.remove(checking, kind, thing(kind, values).key).changed is True
    assert admin.writes() == 0


def test_a_vlan_can_be_taken_away_again(engine: Engine) -> None:
    build(engine, "vnic_profile")
    untagged = thing("network", {"name": "storage", "data_center": "lab", "mtu": 9000, "clusters": ["main"]})
    assert steps.ensure(engine, untagged).before["vlan"] == 20
    assert steps.ensure(engine, untagged).changed is False


def test_a_network_without_vms_is_one(engine: Engine) -> None:
    build(engine, "network")
    wanted = thing("network", {"name": "backup", "data_center": "lab", "vm_network": False})
    assert steps.ensure(engine, wanted).changed is True
    assert steps.ensure(engine, wanted).changed is False


def test_the_profile_that_a_network_brings_is_not_made_again(engine: Engine) -> None:
    build(engine, "network")
    model = [
        thing("network", NETWORKING[3][1]),
        thing("vnic_profile", {"name": "storage", "data_center": "lab", "network": "storage"}),
    ]
    changes = steps.ensure_all(engine, model)
    assert [change.changed for change in changes] == [True, False]


def test_an_unknown_cluster_is_refused_before_anything_is_written(engine: Engine, admin: Admin) -> None:
    build(engine, "hypervisor")
    admin.forget()
    with pytest.raises(LabError, match=r"hypervisor node1: needs cluster mian, which is neither .*; fix: did you mean main\?"):
        steps.ensure(engine, thing("hypervisor", NETWORKING[5][1] | {"cluster": "mian"}))
    assert admin.writes() == 0


def test_a_hypervisor_that_is_non_responsive_is_not_waited_for_without_end(engine: Engine, admin: Admin) -> None:
    build(engine, "hypervisor_network")
    admin.ask("POST", "/hosts/node1", status="non_responsive")
    with pytest.raises(LabError) as refused:
        steps.ensure(engine, thing("hypervisor", NETWORKING[5][1]))
    said = str(refused.value)
    assert "hypervisor node1 is up" in said and "last seen: 'non_responsive'" in said
    assert "; fix: the engine cannot reach VDSM there" in said
    assert "the engine's events meanwhile: " in said


def test_a_hypervisor_that_comes_back_is_up_again(engine: Engine, admin: Admin) -> None:
    build(engine, "hypervisor_network")
    admin.ask("POST", "/hosts/node1", status="non_responsive")
    admin.ask("POST", "/hosts/node1", status="up")
    assert steps.ensure(engine, thing("hypervisor", NETWORKING[5][1])).changed is False


def test_a_hypervisor_is_not_added_without_its_password(engine: Engine) -> None:
    build(engine, "hypervisor")
    without = {key: value for key, value in NETWORKING[5][1].items() if key != "password"}
    with pytest.raises(LabError, match="hypervisor node1: cannot be added without its root password"):
        steps.ensure(engine, thing("hypervisor", without))

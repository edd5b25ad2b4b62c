"""Every kind of thing over real HTTPS: made, found as wanted, changed, removed; and in check mode nothing is ever written."""

from __future__ import annotations

import re
from typing import Any

import pytest

from lab.errors import LabError
from lab.ovirt import steps
from lab.ovirt.engine import Engine
from lab.ovirt.kinds import KINDS
from lab.ovirt.model import thing
from lab.ovirt.state import State
from lab.simulators.ovirt import Served
from lab.simulators.ovirt.backend import BackendForTests
from lab.tests.ovirt.conftest import SITE, Admin, build, values_of


@pytest.mark.parametrize(("kind", "values", "other"), SITE, ids=lambda value: value if isinstance(value, str) else "")
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

    if kind == "storage_domain":  # the last one of a data center goes with it: test_ovirt_whole
        with pytest.raises(LabError, match="storage domain nas: remove: it is the last one of data center lab, and goes only with it"):
            steps.remove(engine, kind, first.key)
        return
    assert steps.remove(engine, kind, first.key).changed is True
    assert steps.remove(engine, kind, first.key).changed is False


@pytest.mark.parametrize(("kind", "values", "other"), SITE, ids=lambda value: value if isinstance(value, str) else "")
def test_check_mode_on_an_empty_engine_says_what_would_be_and_writes_nothing(
    kind: str, values: dict[str, Any], other: dict[str, Any], checking: Engine, admin: Admin
) -> None:
    admin.forget()
    change = steps.ensure(checking, thing(kind, values))
    assert change.changed and change.after
    assert steps.remove(checking, kind, thing(kind, values).key).changed is False
    assert admin.writes() == 0


@pytest.mark.parametrize(("kind", "values", "other"), SITE, ids=lambda value: value if isinstance(value, str) else "")
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
        thing("network", values_of("network")),
        thing("vnic_profile", {"name": "storage", "data_center": "lab", "network": "storage"}),
    ]
    changes = steps.ensure_all(engine, model)
    assert [change.changed for change in changes] == [True, False]


def test_an_unknown_cluster_is_refused_before_anything_is_written(engine: Engine, admin: Admin) -> None:
    build(engine, "hypervisor")
    admin.forget()
    with pytest.raises(LabError, match=r"hypervisor node1: needs cluster mian, which is neither .*; fix: did you mean main\?"):
        steps.ensure(engine, thing("hypervisor", values_of("hypervisor", cluster="mian")))
    assert admin.writes() == 0


def test_a_hypervisor_that_is_non_responsive_is_not_waited_for_without_end(engine: Engine, admin: Admin) -> None:
    build(engine, "hypervisor_network")
    admin.ask("POST", "/hosts/node1", status="non_responsive")
    with pytest.raises(LabError) as refused:
        steps.ensure(engine, thing("hypervisor", values_of("hypervisor")))
    said = str(refused.value)
    assert "hypervisor node1 is up" in said and "last seen: 'non_responsive'" in said
    assert "; fix: the engine cannot reach VDSM there" in said
    # Whether another event comes between the first look and the second is chance.
    assert re.search(r"the engine('s events meanwhile| wrote no event meanwhile, and before that): (normal|warning|error|alert): \w", said)


def test_a_hypervisor_that_comes_back_is_up_again(engine: Engine, admin: Admin) -> None:
    build(engine, "hypervisor_network")
    admin.ask("POST", "/hosts/node1", status="non_responsive")
    admin.ask("POST", "/hosts/node1", status="up")
    assert steps.ensure(engine, thing("hypervisor", values_of("hypervisor"))).changed is False


def test_a_hypervisor_is_not_added_without_its_password(engine: Engine) -> None:
    build(engine, "hypervisor")
    without = {key: value for key, value in values_of("hypervisor").items() if key != "password"}
    with pytest.raises(LabError, match="hypervisor node1: cannot be added without its root password"):
        steps.ensure(engine, thing("hypervisor", without))


def test_an_export_that_is_not_writable_by_36_36_is_refused_with_how_to_mend_it(served: Served, engine: Engine) -> None:
    build(engine, "storage_domain")
    backend = served.engine.backend
    assert isinstance(backend, BackendForTests)
    backend.refuse("check_export", "mkdir: Permission denied")
    with pytest.raises(LabError) as refused:
        steps.ensure(engine, thing("storage_domain", values_of("storage_domain")))
    assert "storage domain nas: create on nas.lab:/srv/vms through node1: " in str(refused.value)
    assert "fix: the export must belong to 36:36" in str(refused.value)


def test_storage_that_a_killed_run_left_unattached_is_attached(engine: Engine) -> None:
    build(engine, "storage_domain")
    wanted = thing("storage_domain", values_of("storage_domain"))
    kind = KINDS["storage_domain"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(kind), "attach", lambda *_: None)
        kind.create(State(engine), wanted)
    change = steps.ensure(engine, wanted)
    assert change.before == wanted.wanted() | {"data_center": None, "state": "unattached"}
    assert steps.ensure(engine, wanted).changed is False


def test_storage_goes_into_maintenance_and_comes_back(engine: Engine) -> None:
    build(engine)
    for state in ("maintenance", "active"):
        wanted = thing("storage_domain", values_of("storage_domain", state=state))
        assert steps.ensure(engine, wanted).changed is True
        assert steps.ensure(engine, wanted).changed is False

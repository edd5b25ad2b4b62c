from typing import Any

import pytest

from lab.errors import InputError
from lab.ovirt.model import BY_KIND, parse, thing
from lab.ovirt.model_vms import CloudInit
from lab.ovirt.thing import Ref

VM: dict[str, Any] = {"name": "web", "data_center": "lab", "cluster": "main", "template": "debian", "memory_mib": 1024, "vcpus": 2}


def test_a_model_says_everything_that_is_wrong_with_it_at_once() -> None:
    wrong = {
        "vm": [VM | {"memory_mib": 1}, VM | {"name": "db", "tempalte": "x"}],
        "clustr": [{"name": "main"}],
        "network": [{"name": "net one", "data_center": "lab"}],
    }
    with pytest.raises(InputError) as refused:
        parse(wrong)
    assert str(refused.value).splitlines() == [
        "vm web: memory_mib: Input should be greater than or equal to 256, is '1'",
        "vm db: tempalte: Extra inputs are not permitted, is 'x'",
        "clustr: is no kind of thing on an engine; fix: did you mean cluster?",
        "network net one: name: String should match pattern '^[A-Za-z0-9][A-Za-z0-9_.-]*$', is 'net one'",
    ]


def test_a_thing_that_is_there_twice_is_refused() -> None:
    with pytest.raises(InputError, match=r"^data center lab: is in the model twice; fix: give one of them another name$"):
        parse({"data_center": [{"name": "lab"}, {"name": "lab"}]})


def test_the_same_name_in_two_data_centers_is_two_networks() -> None:
    assert len(parse({"network": [{"name": "storage", "data_center": center} for center in ("a", "b")]})) == 2


def test_a_password_is_in_no_message_and_in_no_text() -> None:
    values = {"name": "node1", "cluster": "main", "address": "10.0.0.1", "password": "swordfish"}
    assert "swordfish" not in repr(thing("hypervisor", values))
    with pytest.raises(InputError) as refused:
        thing("hypervisor", values | {"password": ["swordfish"]})
    assert "swordfish" not in str(refused.value)


@pytest.mark.parametrize("key", CloudInit.TAKEN)
def test_a_script_may_not_repeat_what_the_engine_writes(key: str) -> None:
    with pytest.raises(InputError, match=rf"vm web: cloud_init: .*{key}: is written by the engine itself; use bootcmd"):
        thing("vm", VM | {"cloud_init": {"hostname": "web", "script": f"bootcmd: [ls]\n{key}: x\n"}})


def test_a_vm_needs_all_that_it_is_made_of() -> None:
    values = VM | {
        "nics": [{"name": "nic1", "network": "storage"}, {"name": "nic2", "network": "storage", "profile": "slow"}],
        "disks": [{"name": "data", "size_gib": 1, "storage_domain": "nas"}],
    }
    assert thing("vm", values).needs() == [
        Ref("cluster", "main"),
        Ref("template", "debian"),
        Ref("vnic_profile", "lab/storage/storage"),
        Ref("vnic_profile", "lab/storage/slow"),
        Ref("storage_domain", "nas"),
    ]


def test_every_kind_has_a_name_that_messages_can_say() -> None:
    assert [str(Ref(kind, "x")) for kind in ("mac_pool", "hypervisor_network")] == ["mac pool x", "hypervisor network x"]
    assert {item.kind for item in BY_KIND.values()} == set(BY_KIND)

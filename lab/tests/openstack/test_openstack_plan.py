"""The planner over what is wanted and what is there, without any cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.errors import InputError, LabError
from lab.openstack.kinds import KINDS
from lab.openstack.model import BY_KIND, parse, thing
from lab.openstack.model_compute import canonical
from lab.openstack.plan import plan
from lab.things.thing import Found, Seen

SHA = "a" * 128
OTHER = "b" * 128
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKey me@here"
TEMPLATE = {"heat_template_version": "2021-04-16", "description": "more", "resources": {"value": {"type": "OS::Heat::Value"}}}
THINGS: dict[str, dict[str, Any]] = {
    "domain": {"name": "shop"},
    "project": {"name": "web", "domain": "shop"},
    "user": {"name": "ann", "domain": "shop", "password": "s3cret-of-ann"},
    "role": {"name": "member"},
    "assignment": {"name": "ann", "user_domain": "shop", "role": "member", "project": "web", "project_domain": "shop"},
    "service": {"name": "nova", "type": "compute"},
    "endpoint": {"name": "nova", "url": "https://cloud.lab:8774/v2.1"},
    "quota": {"name": "web", "domain": "shop", "limits": {"servers": 5, "volumes_gib": 100, "networks": 3}},
    "flavor": {"name": "small", "vcpus": 1, "memory_mib": 512, "disk_gib": 5, "properties": {"hw:cpu_policy": "shared"}},
    "image": {"name": "debian", "file": "/nowhere/debian.qcow2", "sha512": SHA},
    "keypair": {"name": "ann", "public_key": KEY},
    "network": {"name": "inside", "mtu": 1442},
    "subnet": {"name": "four", "network": "inside", "cidr": "10.9.0.0/24", "gateway": "10.9.0.1", "dns_servers": ["10.0.0.2"]},
    "router": {"name": "edge", "external_network": "outside", "subnets": ["inside/four"]},
    "security_group": {"name": "web", "rules": [{"protocol": "tcp", "ports": "80"}, {"protocol": "icmp", "remote": "10.0.0.0/8"}]},
    "volume_type": {"name": "fast", "backend": "ceph"},
    "volume": {"name": "data", "size_gib": 10, "type": "fast"},
    "server": {
        "name": "web1",
        "flavor": "small",
        "image": "debian",
        "networks": ["inside"],
        "security_groups": ["web"],
        "keypair": "ann",
        "volumes": ["data"],
    },
    "floating_ip": {"name": "web1", "network": "outside"},
    "snapshot": {"name": "data-monday", "volume": "data"},
    "stack": {"name": "more", "template": TEMPLATE, "parameters": {"size": "3"}},
}
# The same things as the cloud has them once they were made, with more than the model decides.
THERE: dict[str, tuple[str, dict[str, Any]]] = {
    "domain": ("shop", {"description": "", "enabled": True}),
    "project": ("shop/web", {"description": "", "enabled": True}),
    "user": ("shop/ann", {"description": "", "enabled": True, "password": "as given"}),
    "role": ("member", {}),
    "assignment": ("member for shop/ann on project shop/web", {}),
    "service": ("nova", {"type": "compute", "description": "", "enabled": True}),
    "endpoint": ("RegionOne/nova/public", {"url": "https://cloud.lab:8774/v2.1"}),
    "quota": ("shop/web", {"servers": 5, "volumes_gib": 100, "networks": 3}),
    "flavor": (
        "small",
        {"vcpus": 1, "memory_mib": 512, "disk_gib": 5, "public": True, "properties": {"hw:cpu_policy": "shared", "by": "hand"}},
    ),
    "image": (
        "debian",
        {
            "format": "qcow2",
            "visibility": "public",
            "min_disk_gib": 0,
            "min_memory_mib": 0,
            "status": "active",
            "sha512": SHA,
            "properties": {"os_hidden": "no"},
        },
    ),
    "keypair": ("ann", {"public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKey"}),
    "network": (
        "inside",
        {
            "description": "",
            "external": False,
            "shared": False,
            "port_security": True,
            "mtu": 1442,
            "provider_type": "geneve",
            "physical_network": None,
            "segment": 7,
        },
    ),
    "subnet": (
        "inside/four",
        {
            "cidr": "10.9.0.0/24",
            "gateway": "10.9.0.1",
            "dhcp": True,
            "dns_servers": ["10.0.0.2"],
            "description": "",
            "pools": ["10.9.0.2 to 10.9.0.254"],
        },
    ),
    "router": ("edge", {"external_network": "outside", "snat": True, "subnets": ["inside/four"], "description": ""}),
    "security_group": (
        "web",
        {
            "description": "",
            "rules": {
                "egress": ["egress ipv4 any to anywhere"],
                "ingress": ["ingress ipv4 icmp from 10.0.0.0/8", "ingress ipv4 tcp 80 from anywhere"],
            },
        },
    ),
    "volume_type": ("fast", {"description": "", "public": True, "properties": {"volume_backend_name": "ceph"}}),
    "volume": ("data", {"size_gib": 10, "type": "fast", "description": "", "usable": True, "image": None}),
    "server": (
        "web1",
        {
            "flavor": "small",
            "image": "debian",
            "boot_volume": None,
            "state": "running",
            "networks": ["inside"],
            "security_groups": ["web"],
            "volumes": ["data"],
            "keypair": "ann",
            "host": "compute1",
        },
    ),
    "floating_ip": ("web1", {"network": "outside", "address": "10.0.0.50"}),
    "snapshot": ("data-monday", {"volume": "data", "description": "", "usable": True}),
    "stack": ("more", {"template": canonical(TEMPLATE), "parameters": {"size": "3", "OS::stack_id": "x"}, "state": "complete"}),
}
OUTSIDE = Seen("id-outside", THERE["network"][1] | {"external": True})
ORDER = list(THINGS)


def model(**changed: dict[str, Any]) -> list[Any]:
    return parse({kind: [values | changed.get(kind, {})] for kind, values in THINGS.items()})


def there(**changed: dict[str, Any] | None) -> Found:
    """The cloud with everything made, but for these values; a kind that is None is not there."""
    found = {
        kind: {} if changed.get(kind, {}) is None else {key: Seen(f"id-{kind}", values | (changed.get(kind) or {}))}
        for kind, (key, values) in THERE.items()
    }
    found["network"]["outside"] = OUTSIDE
    return found


EMPTY: Found = {"network": {"outside": OUTSIDE}}


def test_there_is_a_way_to_do_every_kind() -> None:
    assert list(KINDS) == list(BY_KIND) == ORDER


def test_on_an_empty_cloud_everything_is_created_in_an_order_that_works() -> None:
    for things in (model(), list(reversed(model()))):
        steps = plan(things, EMPTY)
        assert {step.action for step in steps} == {"create"}
        done: set[Any] = {ref for kind, found in EMPTY.items() for ref in [(kind, key) for key in found]}
        needs = {item.ref: item.needs() for item in things}
        for step in steps:
            assert set(needs[step.ref]) <= done, f"{step.ref} comes before what it needs"
            done.add(step.ref)


def test_on_a_cloud_that_has_everything_nothing_happens() -> None:
    assert [step.ref for step in plan(model(), there()) if step.action != "nothing"] == []


@pytest.mark.parametrize("kind", ORDER)
def test_what_is_missing_is_created_and_nothing_else(kind: str) -> None:
    steps = plan(model(), there(**{kind: None}))
    assert [step.ref.kind for step in steps if step.action != "nothing"] == [kind]


@pytest.mark.parametrize(
    ("kind", "cloud", "differs"),
    [
        ("domain", {"enabled": False}, {"enabled": True}),
        ("project", {"description": "old"}, {"description": ""}),
        ("user", {"password": "another"}, {"password": "as given"}),
        ("service", {"type": "other"}, {"type": "compute"}),
        ("endpoint", {"url": "http://old"}, {"url": "https://cloud.lab:8774/v2.1"}),
        ("quota", {"servers": 10}, {"servers": 5}),
        ("flavor", {"properties": {"by": "hand"}}, {"properties": {"hw:cpu_policy": "shared"}}),
        ("image", {"visibility": "private"}, {"visibility": "public"}),
        ("image", {"status": "queued", "sha512": None}, {"status": "active", "sha512": SHA}),
        ("keypair", {"public_key": "ssh-rsa AAAA"}, {"public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKey"}),
        ("network", {"mtu": 1500}, {"mtu": 1442}),
        ("subnet", {"gateway": None}, {"gateway": "10.9.0.1"}),
        ("subnet", {"dns_servers": []}, {"dns_servers": ["10.0.0.2"]}),
        ("router", {"external_network": None}, {"external_network": "outside"}),
        ("router", {"subnets": []}, {"subnets": ["inside/four"]}),
        ("router", {"subnets": ["inside/four", "other/four"]}, {"subnets": ["inside/four"]}),
        ("volume_type", {"properties": {}}, {"properties": {"volume_backend_name": "ceph"}}),
        ("volume", {"size_gib": 5}, {"size_gib": 10}),
        ("volume", {"usable": False}, {"usable": True}),
        ("server", {"flavor": "tiny"}, {"flavor": "small"}),
        ("server", {"state": "stopped"}, {"state": "running"}),
        ("server", {"state": "build"}, {"state": "running"}),
        ("server", {"volumes": []}, {"volumes": ["data"]}),
        ("server", {"volumes": ["data", "old"]}, {"volumes": ["data"]}),
        ("server", {"security_groups": ["default"]}, {"security_groups": ["web"]}),
        ("floating_ip", {"network": "elsewhere"}, {"network": "outside"}),
        ("snapshot", {"usable": False}, {"usable": True}),
        ("stack", {"state": "failed"}, {"state": "complete"}),
        ("stack", {"template": "{}"}, {"template": canonical(TEMPLATE)}),
    ],
)
def test_what_differs_is_updated_and_shown(kind: str, cloud: dict[str, Any], differs: dict[str, Any]) -> None:
    changed = [step for step in plan(model(), there(**{kind: cloud})) if step.action != "nothing"]
    assert [(step.ref.kind, step.action, step.changes) for step in changed] == [(kind, "update", differs)]


def test_a_door_that_somebody_opened_is_closed_and_egress_is_left_alone() -> None:
    rules = {
        "egress": ["egress ipv4 tcp 25 to anywhere"],
        "ingress": [*THERE["security_group"][1]["rules"]["ingress"], "ingress ipv4 tcp 22 from anywhere"],
    }
    (step,) = [step for step in plan(model(), there(security_group={"rules": rules})) if step.action != "nothing"]
    assert step.changes == {"rules": {"ingress": ["ingress ipv4 icmp from 10.0.0.0/8", "ingress ipv4 tcp 80 from anywhere"]}}


def test_with_an_egress_rule_egress_is_decided_too() -> None:
    rules = [{"protocol": "tcp", "ports": "80"}, {"direction": "egress", "protocol": "tcp", "ports": "443"}]
    (step,) = [step for step in plan(model(security_group={"rules": rules}), there()) if step.action != "nothing"]
    assert step.after["rules"] == {"ingress": ["ingress ipv4 tcp 80 from anywhere"], "egress": ["egress ipv4 tcp 443 to anywhere"]}


@pytest.mark.parametrize(
    ("kind", "wanted", "cloud", "message"),
    [
        ("flavor", {}, {"memory_mib": 256}, "flavor small: memory_mib is 256 on the cloud and 512 is wanted, which cannot be changed"),
        ("network", {"provider_type": "vlan", "physical_network": "wires", "segment": 9}, {}, "network inside: provider_type is 'geneve'"),
        ("subnet", {"cidr": "10.8.0.0/24", "gateway": None}, {}, "subnet inside/four: cidr is '10.9.0.0/24' on the cloud"),
        ("image", {}, {"sha512": OTHER}, r"image debian: was made from another file \(bbbbbbbbbbbb…, wanted is aaaaaaaaaaaa…\)"),
        ("volume", {"size_gib": 4}, {}, "volume data: has 10 GiB and 4 GiB are wanted, but disks only grow; fix: write size_gib: 10"),
        ("snapshot", {}, {"volume": "other"}, "snapshot data-monday: volume is 'other' on the cloud and 'data' is wanted"),
        ("server", {}, {"image": "other"}, "server web1: image is 'other' on the cloud and 'debian' is wanted"),
        ("server", {}, {"host": "compute1", "state": "error"}, "server web1: is in ERROR: no fault is told; fix: mend the cause"),
        ("server", {"host": "compute2"}, {}, "server web1: host is 'compute1' on the cloud and 'compute2' is wanted"),
        (
            "server",
            {},
            {"boot_volume": "data", "volumes": []},
            "volume data is the disk it boots from, and is never taken",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    kind: str, wanted: dict[str, Any], cloud: dict[str, Any], message: str
) -> None:
    with pytest.raises(LabError, match=f"^the cloud: .*{message}"):
        plan(model(**{kind: wanted}), there(**{kind: cloud}))


def test_all_problems_come_at_once() -> None:
    with pytest.raises(LabError) as caught:
        plan(model(volume={"size_gib": 4}), there(flavor={"vcpus": 8}, server={"state": "error"}))
    assert len(str(caught.value).splitlines()) == 3


def test_an_image_of_another_content_is_replaced_where_that_is_asked_for() -> None:
    (step,) = [step for step in plan(model(image={"replace": True}), there(image={"sha512": OTHER})) if step.action != "nothing"]
    assert step.changes == {"sha512": SHA}


def test_a_name_that_several_have_is_refused_for_itself_and_for_who_needs_it() -> None:
    found = {kind: dict(things) for kind, things in there().items()}
    seen = found["network"]["inside"]
    found["network"]["inside"] = Seen(seen.id, seen.values, {"twins": ["id-2", "id-1"]})
    with pytest.raises(LabError) as caught:
        plan(model(), found)
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[1] for line in lines] == ["network inside", "subnet inside/four", "server web1"]
    assert all("there are 2 of network inside (id-1, id-2); fix: remove or rename all but the one that is meant" in line for line in lines)


def test_subnets_of_a_network_do_not_overlap_and_those_of_others_may() -> None:
    other = thing("subnet", {"name": "six", "network": "inside", "cidr": "10.9.0.128/25"})
    with pytest.raises(LabError, match=r"subnet inside/six: 10.9.0.128/25 overlaps 10.9.0.0/24 of subnet inside/four; fix: give"):
        plan([*model(), other], there())
    elsewhere = [
        thing("network", {"name": "apart"}),
        thing("subnet", {"name": "six", "network": "apart", "cidr": "10.9.0.128/25"}),
    ]
    assert plan([*model(), *elsewhere], there())


def test_a_disk_of_another_server_is_not_taken_away() -> None:
    found = {kind: dict(things) for kind, things in there(server={"volumes": []}).items()}
    found["server"]["db"] = Seen("id-db", THERE["server"][1])
    found["volume"]["data"] = Seen("id-volume", THERE["volume"][1], {"servers": {"id-db": "/dev/vdb"}})
    with pytest.raises(LabError, match="server web1: volume data is attached to server db; fix: take it from there first"):
        plan(model(), found)


def test_a_file_that_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.qcow2").write_text("<html>not found</html>")
    with pytest.raises(LabError, match=r"image debian: .*/page.qcow2 is no qcow2 image; fix: get it again"):
        plan(model(image={"file": str(tmp_path / "page.qcow2")}), there(image=None))


def test_a_need_that_nobody_has_is_named_with_what_is_near() -> None:
    with pytest.raises(LabError, match=r"server web1: needs flavor smal, .* nor on the cloud; fix: did you mean small\?"):
        plan(model(server={"flavor": "smal"}), there())


def test_in_check_mode_what_is_missing_around_one_thing_is_noted() -> None:
    (step,) = plan([thing("server", THINGS["server"])], {}, alone=True)
    assert {str(ref) for ref in step.later} >= {"flavor small", "image debian", "network inside", "volume data"}


def test_a_password_is_never_part_of_a_step() -> None:
    steps = plan(model(), EMPTY)
    assert "s3cret-of-ann" not in repr([step.change() for step in steps])


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        ("assignment", {"project": None}, "give one of project, on_domain and system"),
        ("assignment", {"system": True}, "give one of project, on_domain and system"),
        ("quota", {"limits": {"cpus": 3}}, "no service limits cpus; fix: one of floating_ips, "),
        ("quota", {"limits": {"vcpus": -2}}, "vcpus: a limit is -1"),
        ("network", {"provider_type": "flat"}, "a flat network needs physical_network, a name of the bridge mappings"),
        ("network", {"provider_type": "vlan", "physical_network": "wires", "segment": 4095}, "a vlan network needs segment, its VLAN id"),
        ("subnet", {"gateway": "10.8.0.1"}, "gateway 10.8.0.1 is not in 10.9.0.0/24"),
        ("subnet", {"pool": {"from": "10.9.0.1", "to": "10.9.0.9"}}, "gateway 10.9.0.1 is in the pool 10.9.0.1 to 10.9.0.9"),
        ("subnet", {"pool": {"from": "10.9.0.9", "to": "10.9.0.2"}}, "pool ends at 10.9.0.2, before it begins"),
        ("security_group", {"rules": [{"ports": "80"}]}, "ports are of tcp or udp: give protocol"),
        ("security_group", {"rules": [{"protocol": "tcp", "ports": "90-80"}]}, "ports 90-80 are no range within 1-65535"),
        ("security_group", {"rules": [{"remote": "10.0.0.1/8"}]}, "has host bits set"),
        ("security_group", {"rules": [{"remote": "fd00::/64"}]}, "remote fd00::/64 is no ipv4"),
        ("security_group", {"rules": [{"remote": "10.0.0.0/8", "group": "web"}]}, "give remote .* or group, not both"),
        ("server", {"boot_volume": "root"}, "give image or boot_volume: a server boots from one of them"),
        ("server", {"image": None, "boot_volume": "data"}, "data is the disk it boots from and cannot be one of volumes, too"),
        ("keypair", {"public_key": "-----BEGIN OPENSSH PRIVATE KEY-----"}, "String should match pattern"),
        ("volume", {"image": "debian", "snapshot": "data-monday"}, "give image or snapshot, not both"),
        ("endpoint", {"url": "cloud.lab:8774"}, "String should match pattern"),
    ],
)
def test_bad_input_is_named(kind: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        thing(kind, THINGS[kind] | values)


def test_a_bad_password_is_not_shown() -> None:
    with pytest.raises(InputError) as caught:
        thing("user", THINGS["user"] | {"password": ["s3cret-of-ann"]})
    assert "s3cret" not in str(caught.value)

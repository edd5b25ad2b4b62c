"""Steps through the real SDK against the test double: a whole model made, seen again, changed and taken away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.errors import InputError, LabError
from lab.openstack import steps
from lab.openstack.address import wait_for_address
from lab.openstack.cloud import Cloud, Login, NotReached, connect
from lab.openstack.model import parse, thing
from lab.openstack.task import flavor_choice, run, whole_model
from lab.tests.openstack.double import PASSWORD, Double, Fault

POOL = {"from": "192.0.2.10", "to": "192.0.2.99"}
TEMPLATE = {"heat_template_version": "2021-04-16", "resources": {"value": {"type": "OS::Heat::Value"}}}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKey me@here"


@pytest.fixture
def model(tmp_path: Path) -> dict[str, list[dict[str, Any]]]:
    """One of everything, and an external network."""
    (tmp_path / "tiny.qcow2").write_bytes(b"QFI\xfb" + bytes(5000))
    return {
        "domain": [{"name": "shop"}],
        "project": [{"name": "web", "domain": "shop", "description": "the shop"}],
        "user": [{"name": "ann", "domain": "shop", "password": "s3cret-of-ann"}],
        "role": [{"name": "member"}],
        "assignment": [
            {"name": "ann", "user_domain": "shop", "role": "member", "project": "web", "project_domain": "shop"},
            {"name": "ann", "user_domain": "shop", "role": "member", "system": True},
        ],
        "service": [{"name": "nova", "type": "compute"}],
        "endpoint": [{"name": "nova", "url": "https://cloud.lab:8774/v2.1"}],
        "quota": [{"name": "web", "domain": "shop", "limits": {"servers": 5, "volumes_gib": 100, "networks": 3}}],
        "flavor": [
            {"name": "small", "vcpus": 1, "memory_mib": 512, "disk_gib": 5, "properties": {"hw:cpu_policy": "shared"}},
            {"name": "large", "vcpus": 4, "memory_mib": 4096, "disk_gib": 5},
        ],
        "image": [{"name": "tiny", "file": str(tmp_path / "tiny.qcow2"), "properties": {"os_distro": "tiny"}}],
        "keypair": [{"name": "ann", "public_key": KEY}],
        "network": [
            {"name": "inside"},
            {"name": "outside", "external": True, "provider_type": "flat", "physical_network": "physnet1", "port_security": False},
        ],
        "subnet": [
            {"name": "four", "network": "inside", "cidr": "10.9.0.0/24", "gateway": "10.9.0.1", "dns_servers": ["10.0.0.2"]},
            {
                "name": "wires",
                "network": "outside",
                "cidr": "192.0.2.0/24",
                "dhcp": False,
                "pool": {"from": "192.0.2.10", "to": "192.0.2.99"},
            },
        ],
        "router": [{"name": "edge", "external_network": "outside", "subnets": ["inside/four"]}],
        "security_group": [
            {"name": "web", "rules": [{"protocol": "tcp", "ports": "80"}, {"protocol": "tcp", "ports": "22", "group": "web"}]},
        ],
        "volume_type": [{"name": "fast", "backend": "ceph"}],
        "volume": [
            {"name": "data", "size_gib": 10, "type": "fast"},
            {"name": "root", "size_gib": 5, "image": "tiny"},
            {"name": "copy", "size_gib": 10, "snapshot": "data-monday"},
        ],
        "server": [
            {
                "name": "web1",
                "flavor": "small",
                "image": "tiny",
                "networks": ["inside"],
                "security_groups": ["web"],
                "keypair": "ann",
                "volumes": ["data"],
                "user_data": "#!/bin/sh\necho s3cret\n",
            },
            {"name": "disk1", "flavor": "small", "boot_volume": "root", "networks": ["inside"], "security_groups": ["web"]},
        ],
        "floating_ip": [{"name": "web1", "network": "outside"}],
        "snapshot": [{"name": "data-monday", "volume": "data", "even_attached": True}],
        "stack": [{"name": "more", "template": TEMPLATE, "parameters": {"size": "3"}}],
    }


def test_a_whole_model_is_made_seen_again_and_taken_away(cloud: Cloud, double: Double, model: dict[str, Any]) -> None:
    things = parse(model)
    made = steps.ensure_all(cloud, things)
    assert {change.what for change in made if change.changed} == {str(item.ref) for item in things}
    assert "s3cret" not in repr(made)

    double.requests.clear()
    again = steps.ensure_all(cloud, things)
    assert [change.what for change in again if change.changed] == []
    assert double.writes == []
    # One question per collection, however many things there are; three for the quota, and a token for the password that is tried.
    assert len(double.requests) <= 40

    steps.teardown(cloud, things)
    left = {many: list(found) for many, found in double.objects.items() if found and not many.startswith(("quota", "security_group"))}
    assert left == {"domains": ["default"]}
    assert list(double.of("security_groups")) == ["sg"]
    double.requests.clear()
    assert steps.teardown(cloud, things) == []
    assert double.writes == []


def test_check_mode_writes_nothing_and_tells_the_same(login: Login, double: Double, model: dict[str, Any]) -> None:
    with connect(login, check=True, patience_seconds=0) as careful:
        planned = steps.ensure_all(careful, parse(model))
        assert double.writes == []
        assert all(change.changed for change in planned)
    with connect(login, patience_seconds=0) as cloud:
        cloud.pause_seconds = 0.01
        done = steps.ensure_all(cloud, parse(model))
    # A new project brings the limits that all have, so its quota is then a change of those.
    assert {one.what: one.after for one in planned} == {one.what: one.after for one in done}
    double.requests.clear()
    with connect(login, check=True, patience_seconds=0) as careful:
        assert [one.what for one in steps.ensure_all(careful, parse(model)) if one.changed] == []
        assert len(steps.teardown(careful, parse(model))) == len(done)
    assert double.writes == []


def test_a_step_that_would_write_in_check_mode_is_held_back_below_the_sdk(login: Login, double: Double) -> None:
    with (
        connect(login, check=True) as careful,
        pytest.raises(RuntimeError, match=r"POST .*/networks in check mode: a step of ours does not"),
    ):
        careful.tell("a test", lambda: careful.connection.network.create_network(name="never"))
    assert double.writes == []


def test_what_differs_is_changed_with_as_few_requests_as_possible(cloud: Cloud, double: Double, model: dict[str, Any]) -> None:
    steps.ensure_all(cloud, parse(model))
    model["project"][0]["description"] = "another"
    model["volume"][0]["size_gib"] = 20
    model["server"][0] |= {"flavor": "large", "volumes": []}
    model["security_group"][0]["rules"] = [{"protocol": "tcp", "ports": "443"}]
    model["quota"][0]["limits"]["vcpus"] = 4
    model["router"][0]["subnets"] = []
    double.requests.clear()
    changed = {one.what for one in steps.ensure_all(cloud, parse(model)) if one.changed}
    assert changed == {"project shop/web", "volume data", "server web1", "security group web", "quota shop/web", "router edge"}
    assert len(double.writes) == 10  # a resize is two, a detach one, three rules, and one each of the others
    assert [one for one in steps.ensure_all(cloud, parse(model)) if one.changed] == []


def test_a_password_that_somebody_changed_is_set_again_and_never_told(cloud: Cloud, double: Double, model: dict[str, Any]) -> None:
    ann = thing("user", model["user"][0])
    steps.ensure(cloud, thing("domain", model["domain"][0]))
    steps.ensure(cloud, ann)
    double.named("users", "ann")["password"] = "changed by hand"
    change = steps.ensure(cloud, ann)
    assert change.changed
    assert (change.before["password"], change.after["password"]) == ("another", "as given")
    assert double.named("users", "ann")["password"] == "s3cret-of-ann"


def test_a_half_uploaded_image_is_made_anew(cloud: Cloud, double: Double, model: dict[str, Any]) -> None:
    double.of("images")["old"] = {"id": "old", "name": "tiny", "status": "queued", "disk_format": "qcow2", "visibility": "public"}
    change = steps.ensure(cloud, thing("image", model["image"][0]))
    assert change.changed
    assert [item["status"] for item in double.of("images").values()] == ["active"]
    assert "old" not in double.of("images")


def test_a_server_that_fails_tells_its_fault_and_every_node_and_is_taken_away(cloud: Cloud, double: Double, model: dict[str, Any]) -> None:
    del model["server"][1:], model["floating_ip"]
    double.behaviour["no server"] = {"message": "No valid host was found. There are not enough hosts available.", "code": 500}
    double.behaviour["services"] = {
        "services": [
            {"id": "1", "host": "compute1", "binary": "nova-compute", "state": "up", "status": "enabled"},
            {"id": "2", "host": "compute2", "binary": "nova-compute", "state": "down", "status": "enabled"},
        ]
    }
    double.behaviour["providers"] = {"resource_providers": [{"uuid": "a", "name": "compute1"}, {"uuid": "b", "name": "compute2"}]}
    amounts = {"VCPU": 2, "MEMORY_MB": 1024, "DISK_GB": 20}
    double.behaviour["inventories"] = {
        "resource_provider_generation": 1,
        "inventories": {name: {"total": total, "reserved": 0, "allocation_ratio": 1.0} for name, total in amounts.items()},
    }
    double.behaviour["usages"] = {"usages": {"VCPU": 1, "MEMORY_MB": 900, "DISK_GB": 0}}
    double.behaviour["actions"] = {"instanceActions": [{"action": "create", "request_id": "req-1", "start_time": "2026-01-01"}]}
    with pytest.raises(NotReached) as caught:
        steps.ensure_all(cloud, parse(model))
    said = str(caught.value)
    assert "server web1 is ACTIVE" in said
    assert "fault: No valid host was found." in said
    assert "compute1: lacks 388 MiB of memory" in said
    assert "compute2: is down, enabled" in said
    assert "; fix: remove servers that are not needed, take a smaller flavor, or add a compute node" in said
    assert double.of("servers") == {}


def test_a_cloud_without_volumes_has_servers(cloud: Cloud, double: Double, model: dict[str, Any]) -> None:
    double.behaviour["services it has not"] = ("block-storage", "orchestration")
    server = {**model["server"][0], "volumes": []}
    kinds = ("flavor", "image", "keypair", "network", "subnet", "security_group")
    things = parse({kind: model[kind] for kind in kinds} | {"server": [server]})
    steps.ensure_all(cloud, things)
    assert [change.what for change in steps.ensure_all(cloud, things) if change.changed] == []


def test_a_volume_that_could_not_be_made_is_explained_and_taken_away(cloud: Cloud, double: Double) -> None:
    double.behaviour["store is full"] = True
    with pytest.raises(NotReached, match=r"volume data at .*: could not be made; fix: `openstack volume service list`"):
        steps.ensure(cloud, thing("volume", {"name": "data", "size_gib": 1}))
    assert double.of("volumes") == {}


def test_a_resize_that_fails_is_explained_and_the_server_stays_as_it_was(cloud: Cloud, double: Double, model: dict[str, Any]) -> None:
    steps.ensure_all(cloud, parse(model))
    double.behaviour["resized"] = {"status": "ACTIVE"}
    event = {"event": "compute_prep_resize", "result": "Error", "host": "compute1", "traceback": "Traceback\n  NoFreeSpace: 3 MiB"}
    double.behaviour["actions"] = {
        "instanceActions": [{"action": "resize", "request_id": "req-2", "start_time": "2026-01-02", "message": "Error"}]
    }
    double.behaviour["action"] = {"instanceAction": {"action": "resize", "request_id": "req-2", "message": "Error", "events": [event]}}
    with pytest.raises(NotReached, match=r"server web1 is VERIFY_RESIZE .*resize: compute_prep_resize on compute1: NoFreeSpace: 3 MiB"):
        steps.ensure(cloud, thing("server", model["server"][0] | {"flavor": "large"}))
    assert double.named("servers", "web1")["status"] == "ACTIVE"


def one_compute(double: Double, memory_mib: int) -> None:
    """The compute of the double's servers, with that much memory and nothing on it."""
    double.behaviour["services"] = {
        "services": [{"id": "1", "host": "compute1", "binary": "nova-compute", "state": "up", "status": "enabled"}]
    }
    double.behaviour["providers"] = {"resource_providers": [{"uuid": "a", "name": "compute1.cloud.internal"}]}
    amounts = {"VCPU": 8, "MEMORY_MB": memory_mib, "DISK_GB": 50}
    stock = {name: {"total": total, "reserved": 0, "allocation_ratio": 1.0} for name, total in amounts.items()}
    double.behaviour["inventories"] = {"resource_provider_generation": 1, "inventories": stock}
    double.behaviour["usages"] = {"usages": {}}


def test_a_resize_that_fails_says_whether_the_server_could_have_stayed_where_it_is(
    cloud: Cloud, double: Double, model: dict[str, Any]
) -> None:
    steps.ensure_all(cloud, parse(model))
    one_compute(double, 2048)
    double.behaviour["resized"] = {"status": "ERROR"}
    with pytest.raises(NotReached, match="lacks 2048 MiB of memory while it holds both sizes, so another node is needed"):
        steps.ensure(cloud, thing("server", model["server"][0] | {"flavor": "large"}))


def test_a_resize_to_a_smaller_disk_is_refused_before_anything_is_sent(cloud: Cloud, double: Double, model: dict[str, Any]) -> None:
    model["flavor"].append({"name": "flat", "vcpus": 1, "memory_mib": 512, "disk_gib": 1})
    steps.ensure_all(cloud, parse(model))
    one_compute(double, 4096)
    double.requests.clear()
    with pytest.raises(InputError, match="the disk has 5 GiB and the new flavor 1 GiB, but disks only grow"):
        steps.ensure(cloud, thing("server", model["server"][0] | {"flavor": "flat"}))
    assert double.writes == []


def test_a_stack_that_fails_tells_which_resource_did_and_is_taken_away(cloud: Cloud, double: Double) -> None:
    double.behaviour["stack fails"] = True
    events = [
        {"resource_name": "value", "resource_status": "CREATE_FAILED", "resource_status_reason": "ResourceInError: no room", "id": "1"}
    ]
    double.behaviour["events"] = {"events": events}
    with pytest.raises(
        NotReached, match=r"stack more is complete .*what failed: value: ResourceInError: no room; fix: mend the first of them"
    ):
        steps.ensure(cloud, thing("stack", {"name": "more", "template": TEMPLATE}))
    assert double.of("stacks") == {}


def test_a_disk_under_a_server_is_not_removed(cloud: Cloud, double: Double, model: dict[str, Any]) -> None:
    steps.ensure_all(cloud, parse(model))
    for name, server in (("data", "web1"), ("root", "disk1")):
        with pytest.raises(LabError, match=f"volume {name}: server {server} has it; fix: remove the server, or take"):
            steps.remove(cloud, "volume", name)


def test_one_of_several_of_a_name_is_neither_changed_nor_removed(cloud: Cloud, double: Double) -> None:
    for ident in ("one", "two"):
        double.of("networks")[ident] = {"id": ident, "name": "inside", "project_id": "own"}
    double.of("networks")["foreign"] = {"id": "foreign", "name": "inside", "project_id": "another"}
    message = r"network inside: there are 2 of network inside \(one, two\); fix: "
    with pytest.raises(LabError, match=message):
        steps.remove(cloud, "network", "inside")
    with pytest.raises(LabError, match=message):
        steps.ensure(cloud, thing("network", {"name": "inside"}))
    assert double.writes == []


def test_a_floating_ip_that_leads_nowhere_is_used_again(cloud: Cloud, double: Double, model: dict[str, Any]) -> None:
    address = model.pop("floating_ip")[0]
    steps.ensure_all(cloud, parse(model))
    outside = double.named("networks", "outside")["id"]
    double.of("floatingips")["free"] = {
        **{"id": "free", "floating_network_id": outside, "floating_ip_address": "192.0.2.77", "port_id": None, "project_id": "own"},
        "status": "ACTIVE",
    }
    change = steps.ensure(cloud, thing("floating_ip", address))
    assert change.facts["address"] == "192.0.2.77"
    assert list(double.of("floatingips")) == ["free"]


def test_the_address_of_a_server_is_waited_for(cloud: Cloud, double: Double, model: dict[str, Any]) -> None:
    steps.ensure_all(cloud, parse(model))
    assert wait_for_address(cloud, "web1", network="inside").startswith("10.9.0.")
    for port in double.of("ports").values():
        port["status"] = "DOWN"
    with pytest.raises(
        NotReached, match=r"server web1 has an address on inside .*: not within .*; fix: a port that stays DOWN has no flows"
    ):
        wait_for_address(cloud, "web1", network="inside", limit_seconds=0.05)
    with pytest.raises(LabError, match=r"server 'web2' is not there; fix: did you mean web1\?"):
        wait_for_address(cloud, "web2")


def test_passwords_come_beside_a_model(cloud: Cloud, double: Double, model: dict[str, Any]) -> None:
    few = {"domain": model["domain"], "user": [{"name": "ann", "domain": "shop"}]}
    change = whole_model(cloud, {"model": few, "passwords": {"shop/ann": "s3cret-of-ann"}})
    assert change.changed and "s3cret" not in repr(change)
    assert double.named("users", "ann")["password"] == "s3cret-of-ann"
    with pytest.raises(InputError, match="passwords: shop/bob: no such user is in the model; fix: one of shop/ann"):
        whole_model(cloud, {"model": few, "passwords": {"shop/bob": "x"}})


def test_a_flavor_is_chosen_for_a_wish(cloud: Cloud, model: dict[str, Any]) -> None:
    steps.ensure_all(cloud, parse({"flavor": model["flavor"]}))
    change = flavor_choice(cloud, {"vcpus": 2, "memory_mib": 1024})
    assert (change.changed, change.facts["flavor"]) == (False, "large")
    assert "small lacks 1 vCPU, 512 MiB of memory" in change.facts["reason"]


def test_in_check_mode_a_cloud_that_does_not_answer_yet_would_be_filled(model: dict[str, Any]) -> None:
    options = {"cloud": {"auth_url": "http://127.0.0.1:1/v3", "user": "admin", "password": PASSWORD, "project": "admin"}}
    change = run("network", options | {"name": "inside"}, check=True)
    assert (change.changed, change.facts) == (True, {"does_not_exist_yet": ["http://127.0.0.1:1/v3"]})
    assert PASSWORD not in repr(run("user", options | {"name": "ann", "password": PASSWORD}, check=True))


def test_a_service_that_starts_is_waited_for_and_an_order_is_never_sent_twice(login: Login, double: Double) -> None:
    with connect(login, patience_seconds=5) as cloud:
        double.faults = [Fault("GET", "/networks", 503, "starting", times=2), Fault("GET", "/networks", 0)]
        assert steps.ensure(cloud, thing("network", {"name": "inside"})).changed
        double.faults = [Fault("POST", "/networks", 503, '{"message": "starting"}', times=5)]
        with pytest.raises(LabError, match=r"POST .*: network other: create: the service is not ready \(HTTP 503\): starting"):
            steps.ensure(cloud, thing("network", {"name": "other"}))
    assert [line for line in double.writes if line == "POST /network/v2.0/networks"] == ["POST /network/v2.0/networks"] * 2

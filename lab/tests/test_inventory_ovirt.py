"""What oVirt's roles and platform see of a site."""

from pathlib import Path
from typing import Any

import pytest

from lab import inventory, secrets
from lab import site as sites
from lab.stages import ROOT

SITES = Path(__file__).parent / "sites" / "valid"


def built(path: Path) -> Any:
    site = sites.load(path)
    return inventory.build(site, {name: f"value of {name}" for name in secrets.references(site)})


@pytest.fixture(scope="module")
def rehearsal() -> Any:
    return built(ROOT / "inventories" / "rehearsal" / "site.yml")


@pytest.fixture(scope="module")
def cloud() -> Any:
    """A self-hosted engine on hardware, a trunk, and two VMs."""
    return built(SITES / "ovirt.yml")


def hosts(inventory: Any, name: str) -> Any:
    return inventory["_meta"]["hostvars"][name]


def test_a_site_without_the_section_has_no_machine_of_its_roles() -> None:
    found = built(SITES / "small.yml")
    assert [group for group, data in found.items() if group.startswith("ovirt_") and data.get("hosts")] == []
    assert not [key for variables in found["_meta"]["hostvars"].values() for key in variables if key.startswith("ovirt_")]


def test_a_simulated_engine_is_reached_by_its_address_and_a_real_one_by_its_name(rehearsal: Any, cloud: Any) -> None:
    assert hosts(rehearsal, "engine")["ovirt_resources_engine"]["url"] == "https://10.64.10.20/ovirt-engine/api"
    assert hosts(cloud, "hv1")["ovirt_resources_engine"]["url"] == "https://engine.cloud.internal/ovirt-engine/api"


def test_one_machine_carries_what_is_made_through_the_api(rehearsal: Any, cloud: Any) -> None:
    groups = ("ovirt_simulator", "ovirt_el_hypervisor", "ovirt_el_engine", "ovirt_resources")
    assert [rehearsal[group]["hosts"] for group in groups] == [["engine"], [], [], ["engine"]]
    assert [cloud[group]["hosts"] for group in groups] == [[], ["hv1", "hv2"], ["hv1"], ["hv1"]]


def test_what_runs_no_debian_gets_no_baseline(cloud: Any) -> None:
    assert "hv1" in cloud["lab"]["hosts"]
    assert not {"hv1", "hv2"} & set(cloud["debian"]["hosts"])


def test_the_subnet_of_the_first_legs_is_the_engines_own_network(rehearsal: Any) -> None:
    networks = {one["name"]: one for one in hosts(rehearsal, "engine")["ovirt_resources_networks"]}
    assert list(networks) == ["ovirtmgmt", "storage", "public"]
    assert [name for name, one in networks.items() if one["required"]] == ["ovirtmgmt"]
    assert {one["vlan"] for one in networks.values()} == {0}, "legs of their own carry no tags"


def test_a_subnet_without_legs_comes_over_the_trunk_with_its_tag(cloud: Any) -> None:
    networks = {one["name"]: one["vlan"] for one in hosts(cloud, "hv1")["ovirt_resources_networks"]}
    assert networks == {"ovirtmgmt": 0, "storage": 0, "public": 30}
    attached = {(one["hypervisor"], one["name"]): one for one in hosts(cloud, "hv1")["ovirt_resources_attachments"]}
    assert attached["hv2", "public"] == {"name": "public", "hypervisor": "hv2", "interface": "enp1s0", "address": "", "gateway": ""}
    assert attached["hv2", "storage"]["address"] == "10.64.20.32/24"
    assert attached["hv2", "ovirtmgmt"]["gateway"] == "10.64.10.1"


def test_storage_is_the_nas_on_the_wire_that_hypervisors_share_with_it(rehearsal: Any) -> None:
    assert hosts(rehearsal, "engine")["ovirt_resources_storage_domains"] == [
        {"name": "vmstore", "hypervisor": "hv1", "address": "10.64.20.10", "path": "/srv/nas/vmstore"}
    ]


def test_a_self_hosted_engine_has_storage_of_its_own(cloud: Any) -> None:
    own = hosts(cloud, "hv1")["ovirt_engine_self_hosted"]
    assert own["storage"] == {"server": "10.64.20.10", "path": "/srv/nas/engine"}
    assert own["domains"] == ["10.64.20.10:/srv/nas/vmstore"]
    assert "ovirt_engine_self_hosted" not in hosts(cloud, "hv2")


def test_a_vm_is_plugged_in_and_told_its_addresses_by_the_names_of_its_cards(cloud: Any) -> None:
    spec = hosts(cloud, "web2")["machine_spec"]
    assert [(nic["name"], nic["network"]) for nic in spec["nics"]] == [("eth0", "public"), ("eth1", "storage")]
    assert spec["addresses"] == [
        {"interface": "eth0", "address": "10.64.30.42/24", "gateway": "10.64.30.1"},
        {"interface": "eth1", "address": "10.64.20.42/24", "gateway": ""},
    ]
    assert spec["dns_servers"] == ["10.64.30.1"]


def test_the_engine_lets_in_who_manages_the_lab_and_its_hypervisors(rehearsal: Any) -> None:
    rules = {rule["ports"][0]: rule["sources"] for rule in hosts(rehearsal, "engine")["baseline_firewall_rules"]}
    assert set(rules) == {443, 54323}
    assert {"10.64.10.0/24", "10.91.0.1/32", "10.64.20.21/32"} <= set(rules[443])

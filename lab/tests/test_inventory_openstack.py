"""What the roles of a cloud's machines see of a site."""

from pathlib import Path
from typing import Any

import pytest

from lab import inventory, secrets
from lab import site as sites
from lab.inventory import openstack
from lab.openstack.model import parse

SITE = Path(__file__).parent / "sites" / "valid" / "openstack.yml"


def built(path: Path = SITE) -> Any:
    site = sites.load(path)
    return inventory.build(site, {name: f"value of {name}" for name in secrets.references(site)})


@pytest.fixture(scope="module")
def machines() -> Any:
    return built()["_meta"]["hostvars"]


def changed(folder: Path, *pairs: tuple[str, str]) -> Any:
    """Variables of the machines of the site with other words in it."""
    text = SITE.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path = folder / "site.yml"
    path.write_text(text)
    return built(path)["_meta"]["hostvars"]


def services(machine: Any) -> list[str]:
    return [service["name"] for service in machine["openstack_service_list"]]


def rules(machine: Any) -> dict[str, Any]:
    return {rule["comment"]: rule for rule in machine["baseline_firewall_rules"]}


def test_each_machine_has_the_services_of_its_groups(machines: Any) -> None:
    assert {"keystone", "glance", "placement", "nova", "neutron", "ovn-central", "haproxy"} <= set(services(machines["control"]))
    assert "nova-compute" not in services(machines["control"])
    assert services(machines["compute1"]) == ["journal", "neutron-metadata", "nova-compute"]
    assert "openstack_service_list" not in machines["gate"]


def test_one_machine_may_be_all_of_it(tmp_path: Path) -> None:
    groups = ("openstack_network], memory_gib: 4", "openstack_network, openstack_compute], memory_gib: 8")
    names = services(changed(tmp_path, groups)["control"])
    assert names.count("journal") == 1
    assert names[-2:] == ["neutron-metadata", "nova-compute"]


def test_the_site_has_two_secrets_for_all_of_it() -> None:
    assert {"openstack_admin", "openstack_services"} <= set(secrets.references(sites.load(SITE)))


def test_apis_are_open_to_the_lab_and_the_rest_to_machines_of_the_cloud(machines: Any) -> None:
    found = rules(machines["control"])
    assert set(found["cloud APIs"]["ports"]) == {5000, 9292, 8778, 8774, 9696}
    assert found["cloud APIs"]["sources"] == ["10.64.10.0/24", "10.64.60.0/24", "10.91.0.1/32"]
    assert set(found["cloud machines"]["ports"]) == {5672, 6642, 8775}
    assert set(found["cloud machines"]["sources"]) == {"10.64.10.12", "10.64.60.12", "10.64.10.13", "10.64.60.13"}
    assert set(rules(machines["compute1"])) == {"tunnels"}


def test_the_site_can_keep_the_apis_to_some(tmp_path: Path) -> None:
    found = changed(tmp_path, ("openstack:\n", "openstack:\n  clients: [management]\n"))
    assert rules(found["control"])["cloud APIs"]["sources"] == ["10.64.10.0/24", "10.91.0.1/32"]


def test_the_provider_leg_gives_its_address_to_a_switch(machines: Any) -> None:
    switch = {"name": "br-provider", "leg": "provider", "address": "10.64.60.12", "prefix": 24, "mtu": 1500}
    assert machines["compute1"]["openstack_chassis_switches"] == [switch]
    assert machines["compute1"]["openstack_chassis_tunnels"]["leg"] == "provider"
    assert machines["compute1"]["openstack_chassis_remote"] == "tcp:10.64.10.11:6642"
    assert [machines[name]["openstack_chassis_lets_out"] for name in ("control", "compute1")] == [True, False]


def test_tunnels_may_go_another_way_than_servers_out(tmp_path: Path) -> None:
    found = changed(tmp_path, ("openstack:\n", "openstack:\n  overlay: {subnet: management, mtu: 1400}\n"), (", provider: {host: 12}", ""))
    assert found["compute1"]["openstack_chassis_switches"] == []
    assert found["compute1"]["openstack_chassis_mappings"] == {}
    assert found["compute1"]["openstack_chassis_tunnels"]["address"] == "10.64.10.12"


def test_certificate_and_catalog_agree_on_the_name(machines: Any) -> None:
    control = machines["control"]
    assert control["certificate_names"][0] == "api.cloud.internal"
    assert {"control.cloud.internal", "10.64.10.11"} <= set(control["certificate_names"])
    assert control["openstack_service_cloud"]["auth_url"] == "https://api.cloud.internal:5000/v3"
    assert control["openstack_service_cloud"]["address"] == "10.64.10.11"


def test_clients_on_the_controller_find_every_api_by_address(machines: Any) -> None:
    found = machines["control"]["openstack_resources_endpoints"]
    assert found["compute_endpoint_override"] == "https://10.64.10.11:8774/v2.1"
    assert set(found) == {f"{kind}_endpoint_override" for kind in ("identity", "image", "placement", "compute", "network")}


def test_what_every_cloud_has_is_a_model_that_can_be_planned(machines: Any) -> None:
    things = parse(machines["control"]["openstack_resources_model"])
    assert {thing.kind for thing in things} == {"flavor", "network", "subnet"}


def test_a_site_without_the_section_has_empty_groups() -> None:
    found = built(SITE.with_name("small.yml"))
    assert [found[group]["hosts"] for group in ("openstack", "openstack_chassis", "openstack_resources")] == [[], [], []]


BACKUP = "backup: {password: {secret: backup_password}}\n"
VAULT = "  vault: {platform: {kind: container}, groups: [backup], interfaces: {management: {host: 40}}}\nopenstack:\n"


def test_what_cannot_be_made_again_is_copied(tmp_path: Path) -> None:
    found = changed(tmp_path, ("openstack:\n", VAULT), ("    small: {memory_mib: 512}\n", "    small: {memory_mib: 512}\n" + BACKUP))
    sources = {source["name"]: source for source in found["control"]["backup_client_sources"]}
    assert set(sources) == {"openstack-databases", "openstack-keys", "openstack-images"}
    assert sources["openstack-databases"]["before"][0][-6:] == ["glance", "placement", "nova", "nova_api", "nova_cell0", "neutron"]
    assert {"keystone", "nova-api", "neutron-api"} <= set(sources["openstack-databases"]["stop_for_restore"])
    assert "/etc/keystone/fernet-keys" in sources["openstack-keys"]["paths"]


def test_optional_services_come_by_one_key(tmp_path: Path, machines: Any) -> None:
    assert not {"heat", "horizon"} & set(services(machines["control"]))
    found = changed(tmp_path, ("openstack:\n", "openstack:\n  services: [heat, horizon]\n"))["control"]
    assert services(found)[-2:] == ["heat", "horizon"]
    assert {443, 8000, 8004} <= set(rules(found)["cloud APIs"]["ports"])
    assert "orchestration_endpoint_override" in found["openstack_resources_endpoints"]


VOLUMES = ("openstack:\n", "openstack:\n  volumes: {size_gib: 4}\n")
LARGER = ("openstack_network], memory_gib: 4", "openstack_network], memory_gib: 5")


def test_volumes_come_by_one_key_and_computes_reach_what_keeps_them(tmp_path: Path, machines: Any) -> None:
    assert "cinder" not in services(machines["control"])
    found = changed(tmp_path, VOLUMES, LARGER)
    assert {"ceph-monitor", "ceph-store", "ceph-pool", "cinder"} <= set(services(found["control"]))
    assert {3300, 6789, 6800} <= set(rules(found["control"])["cloud machines"]["ports"])
    assert 8776 in rules(found["control"])["cloud APIs"]["ports"]
    assert found["control"]["openstack_resources_endpoints"]["volumev3_endpoint_override"].endswith(":8776/v3/%(project_id)s")


def test_volumes_on_the_nas_are_mounted_from_there() -> None:
    found = built(SITE.with_name("openstack-volumes.yml"))["_meta"]["hostvars"]
    cinder = next(one for one in found["control"]["openstack_service_list"] if one["name"] == "cinder")
    shares = next(file["text"] for file in cinder["files"] if file["path"] == "/etc/cinder/shares")
    assert shares == "store.cloud.internal:/srv/nas/volumes\n"


def test_a_kernel_of_the_site_s_choice_stays_on_computes() -> None:
    found = built(SITE.with_name("openstack-volumes.yml"))["_meta"]["hostvars"]
    assert found["compute1"]["openstack_hypervisor_kernel"] == "6.12.48+deb13-amd64"
    assert "openstack_hypervisor_kernel" not in found["control"]


def test_the_router_asks_the_cloud_for_names_of_its_zone(tmp_path: Path, machines: Any) -> None:
    assert machines["gate"]["router_zones"] == []
    found = changed(tmp_path, ("openstack:\n", "openstack:\n  services: [designate, swift]\n  zone: servers\n"))
    assert found["gate"]["router_zones"] == [{"name": "servers.cloud.internal", "server": "10.64.10.11"}]
    asked = rules(found["control"])["names of the cloud, udp"]
    assert (asked["ports"], asked["sources"]) == ([53], ["10.64.10.1", "10.64.60.1"])
    assert {8080, 9001} <= set(rules(found["control"])["cloud APIs"]["ports"])
    assert not {8081, 6200} & set(rules(found["control"])["cloud APIs"]["ports"])


def test_machines_are_made_with_the_packages_that_roles_will_ask_for(machines: Any) -> None:
    asked = {one for service in machines["control"]["openstack_service_list"] for one in service["packages"]}
    assert set(machines["control"]["machine_spec"]["image_packages"]) == asked | {"openvswitch-switch", "ovn-host"}
    assert machines["compute1"]["machine_spec"]["image_packages"] == machines["compute2"]["machine_spec"]["image_packages"]
    assert "image_packages" not in machines["gate"]["machine_spec"]
    tasks = Path(__file__).parents[2] / "roles" / "openstack_chassis" / "tasks" / "packages.yml"
    assert f"name: [{', '.join(openstack.SWITCH_PACKAGES)}]" in tasks.read_text()


def test_packages_of_another_release_are_not_known_before_its_repository_is(tmp_path: Path) -> None:
    other = ("openstack:\n", 'openstack:\n  release: "2025.2"\n  repository: deb http://packages.test/debian trixie main\n')
    assert "image_packages" not in changed(tmp_path, other)["control"]["machine_spec"]

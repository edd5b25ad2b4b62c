"""What the roles of a cluster see, computed from a site."""

import base64
from pathlib import Path
from typing import Any

import pytest

from lab import inventory, secrets
from lab import site as sites
from lab.inventory import kubernetes
from lab.site import Site

VALID = Path(__file__).parent / "sites" / "valid" / "kubernetes.yml"
# From three control planes behind an address that moves to one, which has the address of the API and runs workloads itself.
ALONE = (
    ("{name: kube, subnet: public, host: 50}", "{name: kube, machine: cp1}"),
    ("cp2: {platform: {kind: vm}, groups: [kubernetes_control_plane]", "cp2: {platform: {kind: vm}, groups: [client]"),
    ("cp3: {platform: {kind: vm}, groups: [kubernetes_control_plane]", "cp3: {platform: {kind: vm}, groups: [client]"),
    ("groups: [kubernetes_worker]", "groups: [client]"),
)


@pytest.fixture(scope="module")
def site() -> Site:
    return sites.load(VALID)


@pytest.fixture(scope="module")
def built(site: Site) -> Any:
    return inventory.build(site, dict.fromkeys(secrets.references(site), "placeholder"))


@pytest.fixture
def alone(tmp_path: Path) -> Any:
    text = VALID.read_text()
    for old, new in ALONE:
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / "site.yml"
    file.write_text(text)
    found = sites.load(file)
    return inventory.build(found, dict.fromkeys(secrets.references(found), "placeholder"))["_meta"]["hostvars"]["cp1"]


def test_nodes_are_a_group_with_control_planes_first(built: Any) -> None:
    assert built["kubernetes"]["hosts"] == ["cp1", "cp2", "cp3", "w1", "w2"]
    assert built["kubernetes_first"]["hosts"] == ["cp1"]


def test_a_machine_that_is_no_node_sees_nothing_of_the_cluster(built: Any) -> None:
    prefixes = ("kubernetes_", "container_runtime_")
    assert [key for key in built["_meta"]["hostvars"]["store"] if key.startswith(prefixes)] == []


def test_several_control_planes_share_an_address_on_another_port(built: Any) -> None:
    known = built["_meta"]["hostvars"]["cp2"]
    assert known["kubernetes_control_plane_virtual"]["address"] == "10.64.30.50/24"
    assert known["kubernetes_control_plane_virtual"]["priority"] == 149
    assert built["_meta"]["hostvars"]["w1"]["kubernetes_worker_endpoint"] == "kube.cluster.internal:8443"


def test_a_control_plane_alone_has_the_address_of_the_api_and_runs_workloads(alone: Any) -> None:
    assert alone["kubernetes_control_plane_virtual"]["address"] == ""
    assert alone["kubernetes_control_plane_runs_workloads"]
    assert alone["kubernetes_addons_workers"] == ["cp1"]
    assert [rule["comment"] for rule in alone["baseline_firewall_rules"] if rule["protocol"] == "vrrp"] == []


def test_an_ingress_has_a_certificate_for_all_names_below_its_own(built: Any) -> None:
    known = built["_meta"]["hostvars"]["cp1"]
    assert built["kubernetes_ingress"]["hosts"] == ["cp1"]
    assert known["certificate_names"] == ["apps.cluster.internal", "*.apps.cluster.internal"]
    assert known["kubernetes_addons_ingress_address"] == "10.64.30.60"
    assert known["kubernetes_addons_ingress_certificate"] == f"/etc/ssl/lab/{known['certificate_name']}"
    assert {"metallb", "network_policies", "traefik"} < set(known["kubernetes_addons_artifacts"]["addons"])
    records = {record["name"]: record for record in built["_meta"]["hostvars"]["gate"]["router_records"]}
    assert (records["apps"]["covers_below"], "covers_below" in records["kube"]) == (True, False)


def test_nodes_heed_network_policies_where_the_site_wants_them(built: Any) -> None:
    assert built["_meta"]["hostvars"]["w1"]["kubernetes_node_network_policies"]
    assert "addon:network_policies" in built["_meta"]["hostvars"]["w1"]["kubernetes_node_images"]


def test_every_node_finds_all_nodes_and_the_api(built: Any) -> None:
    names = built["_meta"]["hostvars"]["w2"]["kubernetes_node_names"]
    assert names["cp3"] == "10.64.30.43"
    assert names["kube.cluster.internal"] == "10.64.30.50"


def test_a_worker_gets_no_image_of_the_control_plane(built: Any) -> None:
    hosts = built["_meta"]["hostvars"]
    assert "control_plane" in hosts["cp1"]["kubernetes_node_images"]
    assert "control_plane" not in hosts["w1"]["kubernetes_node_images"]


def test_every_node_mounts_the_dataset_of_volumes(built: Any) -> None:
    mount = {"server": "store.cluster.internal", "export": "/srv/nas/volumes", "path": kubernetes.VOLUMES, "read_only": False}
    assert all(built["_meta"]["hostvars"][name]["nas_client_mounts"] == [mount] for name in built["kubernetes"]["hosts"])
    assert not any(built["_meta"]["hostvars"][name]["nas_client_has_programs"] for name in built["kubernetes"]["hosts"])


def test_checks_of_kubeadm_are_passed_over_only_where_they_cannot_pass(built: Any) -> None:
    hosts = built["_meta"]["hostvars"]
    assert hosts["cp1"]["kubernetes_control_plane_tolerated"] == ["NumCPU", "SystemVerification"]
    assert hosts["w1"]["kubernetes_worker_tolerated"] == []


def test_any_secret_makes_a_key_of_the_right_length() -> None:
    keys = {kubernetes.encryption_key(text) for text in ("short", "a very long one " * 9)}
    assert len(keys) == 2
    assert all(len(base64.b64decode(key)) == 32 for key in keys)


def test_only_control_planes_open_etcd_and_only_to_each_other(built: Any) -> None:
    def rules(name: str) -> list[Any]:
        return [rule for rule in built["_meta"]["hostvars"][name]["baseline_firewall_rules"] if rule["comment"] == "etcd"]

    assert rules("w1") == []
    assert "10.64.30.44/31" not in rules("cp1")[0]["sources"]


def test_the_cluster_is_a_source_of_backups_on_its_first_control_plane(built: Any) -> None:
    sources = {one["name"]: one for one in built["_meta"]["hostvars"]["cp1"]["backup_client_sources"]}
    assert sources["kubernetes"]["paths"] == [kubernetes.SAVED]
    assert sources["kubernetes"]["before"] == [["/usr/local/sbin/kubernetes-save"]]
    assert "kubernetes" not in {one["name"] for one in built["_meta"]["hostvars"].get("cp2", {}).get("backup_client_sources", [])}

"""Services as data: what is written for them, and that nothing of it gives a secret away."""

import base64
import configparser
import hashlib
import json
import re
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from lab.inventory.openstack_services import OPTIONAL, Cloud, Service, ceph, compute, control
from lab.inventory.openstack_services.designate import key as key_of_names
from lab.inventory.openstack_services.infrastructure import hashed, rabbitmq
from lab.inventory.openstack_services.keystone import quoted
from lab.inventory.openstack_services.service import Because, as_data, because, identity, ini
from lab.inventory.openstack_services.swift import KINDS
from lab.openstack.model import parse

CLOUD = Cloud(
    name="cloud.lab.internal",
    region="RegionOne",
    seed="seed",
    admin_password="it's $HOME",
    my_address="10.0.0.1",
    control_address="10.0.0.1",
    optional=tuple(OPTIONAL),
    volumes_backend="ceph",
)
ON_NAS = replace(CLOUD, volumes_backend="nfs", volumes_export="store.lab.internal:/srv/nas/volumes")
COMPUTE = replace(CLOUD, my_address="10.0.0.2")
EVERY = {
    "control": control(CLOUD),
    "all in one": control(CLOUD, is_compute=True) + compute(CLOUD, is_control=True),
    "compute": compute(COMPUTE),
    "volumes on the NAS": control(ON_NAS, is_compute=True) + compute(ON_NAS, is_control=True),
}
INI = (".conf", ".ini", ".cnf")
NOT_INI = ("rabbitmq.conf", "memcached.conf", "lab.conf", "lab-nova.conf", "lab-horizon.conf", "ports.conf", "named.conf")


def settings(services: tuple[Service, ...]) -> dict[str, configparser.RawConfigParser]:
    """Every file of sections, as the programs read it: a name that stands there twice is refused."""
    found = {}
    for file in (file for service in services for file in service.files):
        if file.path.endswith(INI) and not file.path.endswith(NOT_INI):
            found[file.path] = configparser.RawConfigParser(interpolation=None)
            found[file.path].read_string(file.text)
    return found


@pytest.mark.parametrize("services", EVERY.values(), ids=EVERY)
def test_every_file_can_be_read_and_gives_no_option_twice(services: tuple[Service, ...]) -> None:
    assert settings(services)


@pytest.mark.parametrize("services", EVERY.values(), ids=EVERY)
def test_every_setting_has_its_reason(services: tuple[Service, ...]) -> None:
    """A comment stands above the first option of each section."""
    for file in (file for service in services for file in service.files if file.path in settings(services)):
        for section in re.split(r"(?m)^\[.*\]\n", file.text)[1:]:
            assert section.startswith("# "), f"{file.path}: {section}"


@pytest.mark.parametrize("services", EVERY.values(), ids=EVERY)
def test_a_file_that_two_services_share_is_the_same_for_both(services: tuple[Service, ...]) -> None:
    texts: dict[str, set[str]] = {}
    for file in (file for service in services for file in service.files):
        texts.setdefault(file.path, set()).add(file.text)
    assert [path for path, found in texts.items() if len(found) > 1] == []


@pytest.mark.parametrize("services", EVERY.values(), ids=EVERY)
def test_a_secret_stands_in_files_that_others_cannot_read_and_in_no_command(services: tuple[Service, ...]) -> None:
    names = ("keystone", "glance", "placement", "nova", "neutron", "heat", "cinder", "swift", "designate")
    purposes = [f"{name}/{what}" for name in names for what in ("database", "account")] + ["rabbitmq", "metadata", "heat/domain"]
    purposes += ["swift/prefix", "swift/suffix"]
    secrets = [CLOUD.password(purpose) for purpose in purposes] + [CLOUD.admin_password, quoted("it's $HOME")]
    secrets += [ceph.key(CLOUD, entity) for entity in ceph.RIGHTS] + [key_of_names(CLOUD).split('"')[3]]
    for service in services:
        words = [word for command in service.commands for word in command.argv]
        assert [secret for secret in secrets if any(secret in word for word in words)] == []
        for file in service.files:
            if any(secret in file.text for secret in secrets):
                assert file.mode in ("0640", "0600"), file.path


def test_passwords_are_told_apart_and_follow_from_the_one_secret() -> None:
    assert CLOUD.password("nova/database") == replace(CLOUD).password("nova/database")
    other = replace(CLOUD, seed="other")
    assert len({CLOUD.password("nova/database"), CLOUD.password("nova/account"), other.password("nova/account")}) == 3
    assert re.fullmatch(r"[\w-]{32}", CLOUD.password("nova/database"))


def test_a_compute_knows_no_database() -> None:
    assert not any("mysql" in file.text for service in compute(COMPUTE) for file in service.files)
    assert "mysql" in next(file.text for file in compute(CLOUD, is_control=True)[2].files if file.path == "/etc/nova/nova.conf")


def test_apis_listen_for_the_proxy_only_and_the_proxy_for_everyone() -> None:
    services = control(CLOUD)
    proxy = next(file.text for service in services if service.name == "haproxy" for file in service.files)
    for api in (api for service in services for api in service.apis):
        assert f"bind 10.0.0.1:{api.port} transparent ssl crt" in proxy
        assert f"server local 127.0.0.1:{api.local_port}" in proxy
    for path, found in settings(services).items():
        if found.has_section("uwsgi"):
            assert found["uwsgi"]["http-socket"].startswith("127.0.0.1:"), path
    assert settings(services)["/etc/glance/glance-api.conf"]["DEFAULT"]["bind_host"] == "127.0.0.1"


def test_keystone_comes_before_whoever_has_an_account_and_the_database_before_all() -> None:
    names = [service.name for service in control(CLOUD)]
    assert names.index("mariadb") < names.index("keystone")
    later = [service.name for service in control(CLOUD) if service.account_password]
    assert all(names.index("keystone") < names.index(name) for name in later)


@pytest.mark.parametrize("service", [one for one in control(CLOUD) if one.account_password], ids=lambda one: one.name)
def test_what_keystone_is_told_is_a_model_that_can_be_planned(service: Service) -> None:
    things = parse(identity(service, CLOUD))
    assert {thing.kind for thing in things} >= {"user", "assignment", "service", "endpoint"}
    assert all(thing.url.startswith("https://cloud.lab.internal:") for thing in things if thing.kind == "endpoint")  # type: ignore[attr-defined]


def test_keystone_makes_its_own_entries() -> None:
    assert identity(next(one for one in control(CLOUD) if one.name == "keystone"), CLOUD) == {}


def test_packets_of_servers_leave_room_for_the_tunnel() -> None:
    jumbo = settings(control(replace(CLOUD, provider_mtu=1500, overlay_mtu=8942)))
    assert jumbo["/etc/neutron/neutron.conf"]["DEFAULT"]["global_physnet_mtu"] == "9000"
    assert jumbo["/etc/neutron/plugins/ml2/ml2_conf.ini"]["ml2"]["path_mtu"] == "9000"
    assert jumbo["/etc/neutron/plugins/ml2/ml2_conf.ini"]["ml2"]["physical_network_mtus"] == "provider:1500"


def test_the_message_broker_is_told_a_hash_that_fits_the_password() -> None:
    found = json.loads(next(file.text for file in rabbitmq(CLOUD).files if file.path.endswith(".json")))
    kept = base64.b64decode(found["users"][0]["password_hash"])
    assert hashlib.sha256(kept[:4] + CLOUD.password("rabbitmq").encode()).digest() == kept[4:]
    assert hashed("a", "salt") != hashed("a", "other salt")


def test_the_first_password_survives_a_shell() -> None:
    assert quoted("it's $HOME") == "it'\\''s $HOME"


def test_a_section_says_each_reason_once_above_its_options() -> None:
    text = ini({"a": (because("So.", x=1, y=True), Because("Thus.", {"z-z": "no"}))})
    assert text.splitlines()[1:] == ["", "[a]", "# So.", "x = 1", "y = true", "# Thus.", "z-z = no"]


def test_a_service_as_data_is_plain() -> None:
    data = [as_data(service, CLOUD) for service in control(CLOUD)]
    assert json.loads(json.dumps(data)) == data


def file(services: tuple[Service, ...], path: str) -> str:
    return next(one.text for service in services for one in service.files if one.path == path)


def names(services: tuple[Service, ...]) -> list[str]:
    return [service.name for service in services]


def test_a_cloud_without_volumes_has_no_cinder() -> None:
    services = control(replace(CLOUD, volumes_backend="", optional=()), is_compute=True)
    assert not {"cinder", "ceph-monitor"} & set(names(services))
    assert "[cinder]" not in file(services, "/etc/nova/nova.conf")


def test_what_keeps_volumes_is_there_before_who_makes_them() -> None:
    found = names(control(CLOUD))
    order = [found.index(name) for name in ("keystone", "ceph-monitor", "ceph-store", "ceph-pool", "cinder", "nova")]
    assert order == sorted(order)
    assert "ceph-monitor" not in names(control(ON_NAS))


def test_volumes_are_where_the_site_says() -> None:
    in_ceph, on_nas = settings(control(CLOUD)), settings(control(ON_NAS))
    assert in_ceph["/etc/cinder/cinder.conf"]["DEFAULT"]["enabled_backends"] == "ceph"
    assert on_nas["/etc/cinder/cinder.conf"]["nfs"]["nfs_shares_config"] == "/etc/cinder/shares"
    assert file(control(ON_NAS), "/etc/cinder/shares") == "store.lab.internal:/srv/nas/volumes\n"
    assert in_ceph["/etc/ceph/ceph.conf"]["osd"]["bluestore_block_size"] == str(10 * 1024**3)


def test_a_key_of_ceph_is_one_and_each_has_its_own() -> None:
    keys = [base64.b64decode(ceph.key(CLOUD, entity)) for entity in ceph.RIGHTS]
    assert {(key[:2], key[10:12], len(key)) for key in keys} == {(b"\1\0", b"\x10\0", 28)}
    assert len(set(keys)) == len(ceph.RIGHTS)


def test_the_monitor_takes_over_who_may_do_what_and_others_see_their_own_key_only() -> None:
    services = control(CLOUD)
    first = settings(services)["/etc/ceph/ceph.conf"]
    assert first["global"]["mon_host"] == "10.0.0.1"
    whole = file(services, "/etc/ceph/lab.mon.keyring")
    assert all(f"[{entity}]" in whole and ceph.key(CLOUD, entity) in whole for entity in ceph.RIGHTS)
    own = file(services, "/etc/ceph/ceph.client.cinder.keyring")
    assert [entity for entity in ceph.RIGHTS if ceph.key(CLOUD, entity) in own] == ["client.cinder"]
    assert "profile rbd pool=volumes" in whole and "caps" not in own


def test_cinder_and_every_compute_mean_the_same_secret_of_libvirt() -> None:
    secret = settings(control(CLOUD))["/etc/cinder/cinder.conf"]["ceph"]["rbd_secret_uuid"]
    found = {one.path: one for one in compute(COMPUTE)[-1].files}
    assert f"<uuid>{secret}</uuid>" in found[f"/etc/libvirt/secrets/{secret}.xml"].text
    kept = found[f"/etc/libvirt/secrets/{secret}.base64"]
    assert (kept.text, kept.mode) == (ceph.key(CLOUD, "client.cinder"), "0600")


def test_a_compute_mounts_what_the_nas_keeps() -> None:
    assert "nfs-common" in compute(replace(ON_NAS, my_address="10.0.0.2"))[-1].packages
    assert "nfs-common" not in compute(COMPUTE)[-1].packages


def test_no_two_daemons_want_the_same_port_of_the_machine() -> None:
    services = control(CLOUD)
    local = [api.local_port for service in services for api in service.apis]
    assert len(local) == len(set(local))
    assert not set(local) & set(KINDS.values())


def test_every_part_between_a_request_and_its_object_is_described() -> None:
    found = settings(control(CLOUD))["/etc/swift/proxy-server.conf"]
    parts = found["pipeline:main"]["pipeline"].split()
    assert [part for part in parts[:-1] if not found.has_section(f"filter:{part}")] == []
    assert found.has_section(f"app:{parts[-1]}")
    assert {name[7:] for name in found.sections() if name.startswith("filter:")} == set(parts[:-1])


def test_objects_are_found_again_only_with_the_same_words() -> None:
    first, other = (settings(control(cloud))["/etc/swift/swift.conf"]["swift-hash"] for cloud in (CLOUD, replace(CLOUD, seed="other")))
    assert first["swift_hash_path_suffix"] != other["swift_hash_path_suffix"]
    assert first["swift_hash_path_prefix"] != first["swift_hash_path_suffix"]


def test_a_server_of_names_and_who_tells_it_of_zones_share_a_key() -> None:
    services = control(CLOUD)
    assert file(services, "/etc/bind/rndc.key") == file(services, "/etc/designate/rndc.key")
    (pool,) = json.loads(file(services, "/etc/designate/pools.yaml").partition("\n")[2])
    assert pool["targets"][0]["masters"] == [{"host": "127.0.0.1", "port": 5354}]
    assert pool["ns_records"][0]["hostname"] == "cloud.lab.internal."


def test_the_part_that_decides_runs_before_it_is_told_of_servers_of_names() -> None:
    found = names(control(CLOUD))
    assert found.index("bind") < found.index("designate") < found.index("designate-workers")


def test_networks_have_an_account_of_their_own() -> None:
    """What speaks for networks can be locked out alone, and speaks to nobody with the account of servers or the administrator's."""
    network = next(service for service in control(CLOUD) if service.name == "neutron")
    assert network.account_password not in {service.account_password for service in control(CLOUD) if service.name != "neutron"}
    found = settings(control(CLOUD))["/etc/neutron/neutron.conf"]
    assert found["keystone_authtoken"]["username"] == "neutron"
    assert CLOUD.admin_password not in file(control(CLOUD), "/etc/neutron/neutron.conf")


def test_a_daemon_without_a_unit_of_its_package_has_one_that_brings_it_back() -> None:
    (neutron,) = [service for service in EVERY["control"] if service.name == "neutron"]
    files = {file.path: file.text for file in neutron.files}
    for name in ("neutron-periodic-workers", "neutron-ovn-maintenance-worker"):
        assert name in neutron.units
        unit = files[f"/etc/systemd/system/{name}.service"]
        assert f"ExecStart=/etc/init.d/{name} systemd-start\nRestart=always" in unit


def test_computes_of_a_cloud_share_one_key_and_those_of_another_cloud_have_another() -> None:
    def keys(cloud: Cloud) -> dict[str, str]:
        return {file.path: file.text for service in compute(cloud) for file in service.files if "lab-ssh" in file.path}

    ours = keys(CLOUD)
    assert keys(replace(CLOUD, my_address="10.64.10.99")) == ours
    assert keys(replace(CLOUD, seed="another")) != ours
    private = load_pem_private_key(ours["/etc/nova/lab-ssh-key"].encode(), None)
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert ours["/etc/nova/lab-ssh-authorized"].split()[1:3] == public.split()

"""Services as data: what is written for them, and that nothing of it gives a secret away."""

import base64
import configparser
import hashlib
import json
import re
from dataclasses import replace

import pytest

from lab.inventory.openstack_services import OPTIONAL, Cloud, Service, compute, control
from lab.inventory.openstack_services.infrastructure import hashed, rabbitmq
from lab.inventory.openstack_services.keystone import quoted
from lab.inventory.openstack_services.service import Because, as_data, because, identity, ini
from lab.openstack.model import parse

CLOUD = Cloud(
    name="cloud.lab.internal",
    region="RegionOne",
    seed="seed",
    admin_password="it's $HOME",
    my_address="10.0.0.1",
    control_address="10.0.0.1",
    optional=tuple(OPTIONAL),
)
COMPUTE = replace(CLOUD, my_address="10.0.0.2")
EVERY = {
    "control": control(CLOUD),
    "all in one": control(CLOUD, is_compute=True) + compute(CLOUD, is_control=True),
    "compute": compute(COMPUTE),
}
INI = (".conf", ".ini", ".cnf")
NOT_INI = ("rabbitmq.conf", "memcached.conf", "lab.conf", "lab-horizon.conf", "ports.conf")


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
    names = ("keystone", "glance", "placement", "nova", "neutron", "heat")
    purposes = [f"{name}/{what}" for name in names for what in ("database", "account")] + ["rabbitmq", "metadata", "heat/domain"]
    secrets = [CLOUD.password(purpose) for purpose in purposes] + [CLOUD.admin_password, quoted("it's $HOME")]
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

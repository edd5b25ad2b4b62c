"""What role openstack_service promises: services that run, answer over TLS and nothing else, and keep their secrets."""

import os
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from clients import Client, services

from lab.reboots import reboot
from lab.wait import wait_for

LOOPBACK = ("127.0.0.1", "127.0.1.1", "[::1]", "::1")
CEPH = ("ceph-mon", "ceph-mgr", "ceph-osd")
# Who may listen on other addresses: the proxy, messages to and from computes, and the daemons that help them find each other.
OPEN_TO_OTHERS = ("haproxy", "beam.smp", "epmd", "ovsdb-server", "sshd", "systemd-resolve", "chronyd", "named", *CEPH)
STAND_FOR_OTHERS = ("ovn-central",)
REBOOT_SECONDS = 300


@pytest.fixture(scope="module")
def name(members):
    return members("openstack_control")[0]


@pytest.fixture(scope="module")
def known(variables, name):
    return variables(name)


@pytest.fixture(scope="module")
def machine(lab, name):
    return lab(name)


@pytest.fixture(scope="module")
def built(known):
    return services(known)


@pytest.fixture(scope="module")
def client(known):
    file = known["baseline_ca_files"][0]["file"]
    if file.startswith("{{"):
        file = f"{os.environ['MOLECULE_EPHEMERAL_DIRECTORY']}/ca/ca.crt"
    address = known["machine_spec"]["uplink"]["address"] if (known["machine_spec"].get("uplink")) else known["ansible_host"]
    return Client(known["certificate_names"][0], address, file)


@pytest.fixture(scope="module")
def password(known, built):
    """The administrator's, as Keystone was told it."""
    files = {file["path"]: file["text"] for service in built for file in service["files"]}
    return files["/etc/keystone/lab-bootstrap"].split("=", 1)[1].strip()[1:-1].replace("'\\''", "'")


def test_every_service_runs_and_comes_back_after_a_boot(machine, built):
    units = [unit for service in built for unit in service["units"]]
    for unit in units:
        assert machine.service(unit).is_running, unit
        assert machine.service(unit).is_enabled, unit


def test_every_service_has_a_process(machine, built):
    """What systemd makes of an old script is active though its program has ended; units that only stand for others are left out."""
    units = [unit for service in built for unit in service["units"] if unit not in STAND_FOR_OTHERS]
    states = {unit: machine.check_output("systemctl show --property SubState --value %s", unit) for unit in units}
    assert {unit: state for unit, state in states.items() if state != "running"} == {}


def test_the_administrator_gets_a_token_over_tls(client, password):
    status, token, described = client.token("admin", password)
    assert status == 201 and token
    assert {role["name"] for role in described["roles"]} >= {"admin"}


def test_a_wrong_password_gets_none(client):
    status, token, _ = client.token("admin", "wrong")
    assert (status, token) == (401, None)


def test_the_catalog_names_every_api_over_tls(client, password, built):
    _, _, described = client.token("admin", password)
    found = {entry["type"]: entry["endpoints"] for entry in described["catalog"]}
    wanted = {api["type"]: api for service in built for api in service["apis"] if api["type"]}
    assert set(found) == set(wanted)
    for kind, endpoints in found.items():
        assert {one["interface"] for one in endpoints} >= {"public", "internal"}
        for one in endpoints:
            url = urlsplit(one["url"])
            assert (url.scheme, url.hostname, url.port) == ("https", client.name, wanted[kind]["port"]), one


def test_an_api_behind_the_proxy_knows_that_its_clients_came_by_tls(client):
    status, _, answer = client.ask("GET", 5000, "/v3")
    assert status == 200
    assert all(link["href"].startswith("https://") for link in answer["version"]["links"]), answer


def test_an_api_without_tls_is_not_served(client):
    with socket.create_connection((client.address, 5000), 10) as plain:
        plain.sendall(b"GET /v3 HTTP/1.0\r\n\r\n")
        assert not plain.recv(100).startswith(b"HTTP/1.1 200")


def test_only_what_others_need_listens_to_others(machine):
    wide = []
    for line in machine.check_output("ss -Hltnp").splitlines():
        address, _, port = line.split()[3].rpartition(":")
        program = line.split('(("')[1].split('"')[0] if '(("' in line else "?"
        if address.split("%")[0] not in LOOPBACK and program not in OPEN_TO_OTHERS:
            wide.append(f"{program} on {address}:{port}")
    assert wide == []


def test_no_list_of_processes_shows_a_secret(machine, built, password):
    secrets = {service["database_password"] for service in built} - {""} | {password}
    secrets |= {secret for service in built for secret in service["passwords"].values()}
    shown = machine.check_output("ps -eo args --no-headers")
    assert [secret for secret in secrets if secret in shown] == []


def test_secrets_are_read_by_their_service_only(machine, built):
    for service in built:
        for file in service["files"]:
            there = machine.file(file["path"])
            assert (there.user, there.group, f"{there.mode:04o}") == ("root", file["group"], file["mode"]), file["path"]
            assert file["mode"][-1] == "0" or service["database_password"] == "" or service["database_password"] not in file["text"]


def test_the_message_broker_knows_its_one_account(machine):
    users = machine.check_output("rabbitmqctl --quiet list_users --no-table-headers").split()
    assert users[0] == "openstack" and "guest" not in users


def test_a_service_reaches_its_own_database_and_no_other(machine, built):
    for service in built:
        if service["databases"]:
            databases = machine.check_output(
                "mariadb --batch --skip-column-names -e \"SELECT Db FROM mysql.db WHERE User='%s'\"", service["name"]
            )
            assert set(databases.split()) == set(service["databases"])


@pytest.mark.disruptive
def test_after_a_reboot_a_token_is_issued_without_a_hand(name, client, password, machine):
    reboot(machine, name, REBOOT_SECONDS)
    wait_for(
        "a token is issued after the reboot",
        lambda: issued(client, password),
        lambda seen: seen == 201,
        REBOOT_SECONDS,
        pause_seconds=2,
    )


def issued(client, password):
    try:
        return client.token("admin", password)[0]
    except OSError as error:
        return str(error)

"""What role baseline promises on every machine. Every expectation comes from its variables."""

import ipaddress
import json
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.together import each
from lab.wait import wait_for

# argv: address, port, seconds. Listens, proves it by a connection to itself, prints the process that listens on; that one ends by itself.
LISTEN = """
import os, socket, sys, time
address, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
server = socket.create_server(("", port))
socket.create_connection((address, port), 5).close()
if child := os.fork():
    print(child)
    sys.exit()
os.setsid()
nothing = os.open(os.devnull, os.O_RDWR)
for stream in range(3):
    os.dup2(nothing, stream)
time.sleep(seconds)
"""
# A neighbour's connection takes milliseconds, and a packet that is dropped never answers: this is all the check waits for.
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)"


@dataclass(frozen=True)
class Machine:
    """A machine and what the inventory says about it."""

    name: str
    host: object
    known: dict


@pytest.fixture(scope="module")
def machines(played, lab, variables):
    return [Machine(name, lab(name), variables(name)) for name in played("baseline")]


@pytest.fixture(scope="module")
def everyone(members, lab, variables):
    """Also those that another stage plays the role on: they are neighbours too."""
    return [Machine(name, lab(name), variables(name)) for name in members("lab")]


def addresses(machine):
    links = json.loads(machine.host.check_output("ip -json -4 address show scope global"))
    return [ipaddress.ip_interface(f"{info['local']}/{info['prefixlen']}") for link in links for info in link["addr_info"]]


def neighbours(machines, everyone):
    """(machine, address, neighbour): the first neighbour that shares a network with each machine."""
    at = dict(zip((machine.name for machine in everyone), each(addresses, everyone), strict=True))
    found = []
    for machine in machines:
        pairs = [
            (machine, str(mine.ip), other)
            for other in everyone
            if other.name != machine.name
            for mine in at[machine.name]
            for theirs in at[other.name]
            if mine.network == theirs.network
        ]
        found += pairs[:1]
    return found


def unlisted_port(known):
    listed = {port for rule in known.get("baseline_firewall_rules", []) for port in rule["ports"]}
    return next(port for port in range(40000, 41000) if port not in listed)


def test_the_machine_knows_its_names(machines):
    def check(machine):
        name = machine.known["baseline_hostname"]
        kernel, _, own = machine.host.check_output("cat /proc/sys/kernel/hostname && getent hosts 127.0.1.1 || true").partition("\n")
        assert kernel == name, machine.name
        if machine.known.get("baseline_domain"):
            assert f"{name}.{machine.known['baseline_domain']}" in own.split(), machine.name

    each(check, machines)


def test_the_time_zone_is_the_one_of_the_site(machines):
    def check(machine):
        zone = machine.known.get("baseline_timezone", "Etc/UTC")
        assert machine.host.check_output("readlink -m /etc/localtime").endswith(f"/{zone}"), machine.name

    each(check, machines)


def test_packages_come_with_retries_and_from_the_cache_of_the_site(machines):
    def check(machine):
        settings = machine.host.check_output("apt-config dump")
        assert 'Acquire::Retries "5";' in settings, machine.name
        assert 'APT::Install-Recommends "false";' in settings, machine.name
        proxy = machine.known.get("baseline_apt_proxy")
        found = f'Acquire::http::Proxy "{proxy}";' in settings if proxy else "Acquire::http::Proxy" not in settings
        assert found, machine.name

    each(check, machines)


def test_the_machine_trusts_the_authorities_of_its_site(machines):
    def check(machine):
        for authority in machine.known.get("baseline_ca_files", []):
            file, ours = f"/usr/local/share/ca-certificates/{authority['name']}.crt", Path(authority["file"]).read_text()
            assert machine.host.check_output("cat %s", file) == ours.strip(), f"{machine.name}: {file} is not {authority['file']}"
            assert machine.host.run("openssl verify %s", file).rc == 0, f"{machine.name} does not trust {authority['name']}"

    each(check, machines)


def test_the_clock_follows_its_servers(machines):
    def check(machine):
        servers = machine.known.get("baseline_ntp_servers", [])
        if servers or machine.known.get("baseline_ntp_local_stratum"):
            wait_for(
                f"a synchronised clock on {machine.name}",
                lambda: machine.host.check_output("chronyc -n tracking"),
                lambda seen: "Leap status     : Normal" in seen,
                120,
            )
        # Some sources may still be names here, so only their number is certain.
        assert len(machine.host.check_output("chronyc -n -c sources").splitlines()) >= len(servers), machine.name

    each(check, machines)


def test_a_container_never_turns_the_clock_it_shares(machines):
    def check(machine):
        if machine.host.run("systemd-detect-virt --quiet --container").rc == 0:
            commands = machine.host.check_output("ps -o args= -C chronyd").splitlines()
            assert commands and all("-x" in shlex.split(command) for command in commands), machine.name

    each(check, machines)


@pytest.fixture(scope="module")
def users(machines):
    """(machine, user): each user of each machine."""
    return [(machine, user) for machine in machines for user in machine.known.get("baseline_users", [])]


def test_users_have_exactly_their_keys(users):
    def check(one):
        machine, user = one
        assert machine.host.run("id %s", user["name"]).rc == 0, f"{user['name']} on {machine.name}"
        file = f"/home/{user['name']}/.ssh/authorized_keys"
        keys = machine.host.check_output("test ! -e %s || cat %s", file, file)
        found = {line.strip() for line in keys.splitlines() if line.strip()}
        assert found == {key.strip() for key in user["authorized_keys"]}, f"{user['name']} on {machine.name}"

    each(check, users)


def test_a_user_without_password_cannot_log_in_with_one(users):
    def check(one):
        machine, user = one
        locked = machine.host.check_output("getent shadow %s", user["name"]).split(":")[1].startswith("!")
        assert locked != bool(user.get("password")), f"{user['name']} on {machine.name}"

    each(check, users)


def test_users_administer_the_machine(users):
    def check(one):
        machine, user = one
        rights = machine.host.check_output("sudo --list --other-user %s", user["name"])
        assert "(ALL : ALL)" in rights, f"{user['name']} on {machine.name}"

    each(check, users)


def test_sshd_takes_keys_only(machines):
    wanted = {
        "permitrootlogin": "without-password",
        "passwordauthentication": "no",
        "kbdinteractiveauthentication": "no",
        "authenticationmethods": "publickey",
        "allowagentforwarding": "no",
        "x11forwarding": "no",
    }

    def check(machine):
        settings = dict(line.split(" ", 1) for line in machine.host.check_output("sshd -T").splitlines() if " " in line)
        assert {key: settings[key] for key in wanted} == wanted, machine.name
        assert machine.host.run("systemctl is-active ssh").rc == 0, machine.name

    each(check, machines)


def test_the_firewall_is_on_and_drops_what_is_not_listed(machines):
    def check(machine):
        assert machine.host.run("systemctl is-enabled nftables").rc == 0, machine.name
        assert "policy drop" in machine.host.check_output("nft list chain inet baseline input"), machine.name

    each(check, machines)


def test_an_open_port_that_is_not_listed_cannot_be_reached(machines, everyone):
    tried = neighbours(machines, everyone)
    assert tried, "no two machines share a network, so nothing can be checked"

    def check(one):
        machine, address, neighbour = one
        port = str(unlisted_port(machine.known))
        listener = machine.host.check_output("python3 -c %s %s %s 40", LISTEN, address, port)
        try:
            reached = neighbour.host.run("python3 -c %s %s %s", CONNECT, address, port)
            assert reached.rc != 0, f"{machine.name} port {port} is open to its neighbour"
            assert neighbour.host.run("ping -c 1 -W 3 %s", address).rc == 0, f"{machine.name} does not answer its neighbour at all"
        finally:
            machine.host.run("kill %s", listener)

    each(check, tried)

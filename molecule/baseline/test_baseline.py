"""What role baseline promises on every machine. Every expectation comes from its variables."""

import ipaddress
import json
import shlex

import pytest

from lab.wait import wait_for

# argv: port, seconds. Listens and ends by itself.
LISTEN = "import socket, sys, time; s = socket.create_server(('', int(sys.argv[1]))); time.sleep(float(sys.argv[2]))"
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"


@pytest.fixture(scope="module")
def machines(members, lab, variables):
    """[(name, host, variables)] of all machines."""
    return [(name, lab(name), variables(name)) for name in members("lab")]


def addresses(host):
    links = json.loads(host.check_output("ip -json -4 address show scope global"))
    return [ipaddress.ip_interface(f"{info['local']}/{info['prefixlen']}") for link in links for info in link["addr_info"]]


def neighbours(machines):
    """(machine, address, neighbour): the first neighbour that shares a network with each machine."""
    found = []
    for name, host, known in machines:
        pairs = [
            (name, host, known, str(mine.ip), other)
            for _, other, _ in machines
            if other is not host
            for mine in addresses(host)
            for theirs in addresses(other)
            if mine.network == theirs.network
        ]
        found += pairs[:1]
    return found


def unlisted_port(known):
    listed = {port for rule in known.get("baseline_firewall_rules", []) for port in rule["ports"]}
    return next(port for port in range(40000, 41000) if port not in listed)


def test_the_machine_knows_its_names(machines):
    for name, host, known in machines:
        assert host.check_output("cat /proc/sys/kernel/hostname") == known["baseline_hostname"], name
        if known.get("baseline_domain"):
            assert f"{known['baseline_hostname']}.{known['baseline_domain']}" in host.check_output("getent hosts 127.0.1.1").split(), name


def test_the_time_zone_is_the_one_of_the_site(machines):
    for name, host, known in machines:
        zone = known.get("baseline_timezone", "Etc/UTC")
        assert host.file("/etc/localtime").linked_to.endswith(zone), name


def test_packages_come_with_retries_and_from_the_cache_of_the_site(machines):
    for name, host, known in machines:
        settings = host.check_output("apt-config dump")
        assert 'Acquire::Retries "5";' in settings, name
        assert 'APT::Install-Recommends "false";' in settings, name
        proxy = known.get("baseline_apt_proxy")
        assert (f'Acquire::http::Proxy "{proxy}";' in settings) if proxy else ("Acquire::http::Proxy" not in settings), name


def test_the_clock_follows_its_servers(machines):
    for name, host, known in machines:
        if known.get("baseline_ntp_servers") or known.get("baseline_ntp_local_stratum"):
            wait_for(
                f"a synchronised clock on {name}",
                lambda host=host: host.check_output("chronyc -n tracking"),
                lambda seen: "Leap status     : Normal" in seen,
                120,
            )
        # Some sources may still be names here, so only their number is certain.
        sources = host.check_output("chronyc -n -c sources").splitlines()
        assert len(sources) >= len(known.get("baseline_ntp_servers", [])), name


def test_a_container_never_turns_the_clock_it_shares(machines):
    for name, host, _ in machines:
        if host.run("systemd-detect-virt --quiet --container").rc == 0:
            commands = host.check_output("ps -o args= -C chronyd").splitlines()
            assert commands and all("-x" in shlex.split(command) for command in commands), name


def test_users_have_exactly_their_keys(machines):
    for name, host, known in machines:
        for user in known.get("baseline_users", []):
            assert host.user(user["name"]).exists, f"{user['name']} on {name}"
            keys = host.file(f"/home/{user['name']}/.ssh/authorized_keys")
            found = {line.strip() for line in keys.content_string.splitlines() if line.strip()} if keys.exists else set()
            assert found == {key.strip() for key in user["authorized_keys"]}, f"{user['name']} on {name}"


def test_a_user_without_password_cannot_log_in_with_one(machines):
    for name, host, known in machines:
        for user in known.get("baseline_users", []):
            locked = host.user(user["name"]).password.startswith("!")
            assert locked != bool(user.get("password")), f"{user['name']} on {name}"


def test_users_administer_the_machine(machines):
    for name, host, known in machines:
        for user in known.get("baseline_users", []):
            assert "(ALL : ALL)" in host.check_output("sudo --list --other-user %s", user["name"]), f"{user['name']} on {name}"


def test_sshd_takes_keys_only(machines):
    wanted = {
        "permitrootlogin": "without-password",
        "passwordauthentication": "no",
        "kbdinteractiveauthentication": "no",
        "authenticationmethods": "publickey",
        "allowagentforwarding": "no",
        "x11forwarding": "no",
    }
    for name, host, _ in machines:
        settings = dict(line.split(" ", 1) for line in host.check_output("sshd -T").splitlines() if " " in line)
        assert {key: settings[key] for key in wanted} == wanted, name
        assert host.service("ssh").is_running, name


def test_the_firewall_is_on_and_drops_what_is_not_listed(machines):
    for name, host, _ in machines:
        assert host.service("nftables").is_enabled, name
        assert "policy drop" in host.check_output("nft list chain inet baseline input"), name


def test_an_open_port_that_is_not_listed_cannot_be_reached(machines):
    tried = neighbours(machines)
    assert tried, "no two machines share a network, so nothing can be checked"
    for name, host, known, address, neighbour in tried:
        port = str(unlisted_port(known))
        connect = ("python3 -c %s %s %s", CONNECT, address, port)
        listener = host.check_output("nohup python3 -c %s %s 40 >/dev/null 2>&1 & echo $!", LISTEN, port).strip()
        try:
            wait_for(f"a listener on {name}", lambda host=host, connect=connect: host.run(*connect).rc, lambda rc: rc == 0, 10)
            assert neighbour.run(*connect).rc != 0, f"{name} port {port} is open to its neighbour"
            assert neighbour.run("ping -c 1 -W 3 %s", address).rc == 0, f"{name} does not answer its neighbour at all"
        finally:
            host.run("kill %s", listener)

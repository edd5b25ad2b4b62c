"""What role backup_client promises: copies are made on time, a stolen key cannot harm them, and a failure says what is wrong."""

import json
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch

import pytest

from lab.together import each

SETTINGS = "/etc/backup-client"
SSH = f"ssh -F {SETTINGS}/ssh_config server"
WRONG = "printf %s another"


@dataclass(frozen=True)
class Client:
    """A machine with sources, and what the inventory says about it."""

    name: str
    host: object
    known: dict

    @property
    def sources(self):
        return self.known["backup_client_sources"]

    def restic(self, *words, password=f"--password-file={SETTINGS}/password", program=SSH, limit_seconds=60):
        """restic with everything a thief of this machine's key would have."""
        argv = ["restic", "-o", f"rclone.program={program}", "--repo=rclone:", "--no-cache", password, *words]
        return self.host.run(f"timeout --foreground --signal=INT {limit_seconds} {' '.join('%s' for _ in argv)}", *argv)

    def listed(self, **how):
        return [snapshot["id"] for snapshot in json.loads(self.restic("snapshots", "--json", "--no-lock", **how).stdout or "[]")]

    def fails(self, source):
        """The line in which a backup says why it failed."""
        # Not by the invocation: the journal does not know it of the last words of a process that is gone when it looks.
        before = self.host.check_output("journalctl --lines 0 --show-cursor").rpartition("cursor: ")[2]
        assert self.host.run("systemctl start backup@%s.service", source).rc != 0
        said = "journalctl --sync && journalctl --unit backup@%s.service --after-cursor %s --priority err --output cat"
        lines = self.host.check_output(said, source, before).splitlines()
        return next(line for line in reversed(lines) if line.startswith("backup of "))


@pytest.fixture(scope="module")
def clients(members, lab, variables):
    return [Client(name, lab(name), variables(name)) for name in members("backup_client")]


@pytest.fixture(scope="module")
def server(lab, members):
    return lab(members("backup")[0])


@pytest.fixture(scope="module")
def client(clients, members):
    """One that is not the backup machine."""
    return next(client for client in clients if client.name not in members("backup"))


def test_every_source_has_a_snapshot_that_its_own_machine_made(clients):
    def check(client):
        for source in client.sources:
            listed = json.loads(client.host.check_output("backup-source --list %s", source["name"]))
            assert listed, source["name"]
            assert {path for snapshot in listed for path in snapshot["paths"]}, source["name"]

    each(check, clients)


def test_what_is_excluded_is_not_copied(clients):
    def check(client):
        for source in client.sources:
            patterns = [pattern for pattern in source.get("exclude", []) if "/" not in pattern]
            if patterns:
                nodes = map(json.loads, client.restic("ls", "--no-lock", "--json", "--tag", source["name"], "latest").stdout.splitlines())
                names = [node["name"] for node in nodes if node.get("type") == "file"]
                assert names and not [name for name in names for pattern in patterns if fnmatch(name, pattern)], source["name"]

    each(check, clients)


def test_copies_are_made_on_time(clients):
    def check(client):
        for source in client.sources:
            assert client.host.check_output("systemctl is-enabled backup@%s.timer", source["name"]) == "enabled"
            assert client.host.check_output("systemctl is-active backup@%s.timer", source["name"]) == "active"
            timer = client.host.check_output("systemctl cat backup@%s.timer", source["name"])
            assert f"OnCalendar={client.known['backup_client_schedule']}" in timer.splitlines(), source["name"]
        there = client.host.run("ls /etc/systemd/system/timers.target.wants/").stdout.split()
        wanted = {f"backup@{source['name']}.timer" for source in client.sources}
        assert {name for name in there if name.startswith("backup@")} == wanted

    each(check, clients)


def test_key_and_password_are_for_root_alone(clients):
    def check(client):
        assert client.host.check_output("stat -c '%a %U' /etc/backup-client") == "700 root"
        for name in ("id_ed25519", "password"):
            assert client.host.check_output("stat -c '%%a %%U' %s/%s", SETTINGS, name) == "600 root", name

    each(check, clients)


def test_the_backup_can_write_nothing_but_its_cache(client):
    shown = client.host.check_output("systemctl show backup@x.service --property CapabilityBoundingSet,ProtectSystem,NoNewPrivileges")
    assert sorted(shown.splitlines()) == ["CapabilityBoundingSet=cap_dac_read_search", "NoNewPrivileges=yes", "ProtectSystem=strict"]


def test_the_key_opens_no_shell(clients):
    """Whatever is asked for, the server starts what speaks restic's protocol, in bytes that are no text."""

    def check(client):
        for words in ("server id", "-tt server id", "server rclone version"):
            asked = f"timeout 20 ssh -F {SETTINGS}/ssh_config {words} </dev/null"
            assert client.host.run(f"{asked} | grep --text --count --extended-regexp 'uid=[0-9]|os/version'").stdout == "0\n", words

    each(check, clients)


def test_the_key_removes_no_copy(clients):
    """restic reports success for a removal that was refused; what counts is the list."""

    def check(client):
        before = client.listed()
        assert before, client.name
        try:
            assert "403" in client.restic("forget", before[0]).stderr, client.name  # after some more tries
        finally:
            client.restic("unlock")
        assert set(before) <= set(client.listed()), client.name

    each(check, clients)


def test_the_key_shows_no_other_machines_copies(clients):
    def check(client):
        other = next(other.name for other in clients if other is not client)
        asked = ["-o", f"rclone.args=serve restic --stdio /srv/backup/{other}"]
        everything = client.restic(*asked, "snapshots", "--json", "--no-lock")
        hosts = {snapshot["id"] for snapshot in json.loads(everything.stdout)}
        assert hosts and not hosts & set(next(one for one in clients if one.name == other).listed()), client.name

    each(check, clients)


def test_a_wrong_password_is_refused(clients):
    def check(client):
        refused = client.restic("snapshots", password=f"--password-command={WRONG}")
        assert refused.rc == 12 and "wrong password" in refused.stderr, client.name

    each(check, clients)


@contextmanager
def replaced(host, file, pattern, replacement):
    """A file with other content for a while."""
    host.check_output("cp --preserve %s %s.kept", file, file)
    try:
        host.check_output("sed -i %s %s", f"s|{pattern}|{replacement}|", file)
        yield
    finally:
        host.check_output("mv %s.kept %s", file, file)


@pytest.mark.disruptive
def test_a_server_that_is_down_is_named(client):
    with replaced(client.host, f"{SETTINGS}/ssh_config", "User backup", "User backup\\n  Port 9"):
        said = client.fails(client.sources[0]["name"])
    assert f"{client.known['backup_client_server']} does not answer; fix: " in said


@pytest.mark.disruptive
def test_a_revoked_key_is_named(client, server):
    with replaced(server, f"/etc/ssh/backup-keys/{client.name}", "^command.*", ""):
        said = client.fails(client.sources[0]["name"])
    assert f"{client.known['backup_client_server']} does not know the key of this machine" in said and "; fix: " in said


@pytest.mark.disruptive
def test_another_host_key_is_named(client):
    another = " ".join(client.host.check_output("cat %s/id_ed25519.pub", SETTINGS).split()[:2])
    with replaced(client.host, f"{SETTINGS}/known_hosts", "ssh-ed25519 .*", another):
        said = client.fails(client.sources[0]["name"])
    assert f"{client.known['backup_client_server']} does not have the host key it had; fix: " in said


@pytest.mark.disruptive
def test_another_password_is_named(client):
    with replaced(client.host, f"{SETTINGS}/password", "^", "x"):
        said = client.fails(client.sources[0]["name"])
    assert f"the repository on {client.known['backup_client_server']} was made with another password; fix: " in said


@pytest.mark.disruptive
def test_a_path_that_is_not_there_is_named(client):
    name, path = client.sources[0]["name"], client.sources[0]["paths"][0]
    with replaced(client.host, f"{SETTINGS}/sources.json", f'"{path}"', '"/srv/nowhere"'):
        assert client.fails(name).startswith(f"backup of {name}: /srv/nowhere does not exist on this machine; fix: ")


@pytest.mark.disruptive
def test_a_command_before_the_copy_that_fails_is_named(clients):
    found = [(client, source) for client in clients for source in client.sources if source.get("before")]
    if not found:
        pytest.skip("no source has a command before its copy")
    client, source = found[0]
    word = source["before"][0][0]
    with replaced(client.host, f"{SETTINGS}/sources.json", f'"{word}"', '"false"'):
        assert f"backup of {source['name']}: before the copy, `false` ended with code 1" in client.fails(source["name"])


@pytest.mark.disruptive
def test_a_clock_that_is_behind_is_named(client, server):
    """By a snapshot from what this machine takes for the future."""
    words = [
        client.name,
        "backup",
        "--json",
        "--quiet",
        "--time",
        "2099-12-31 23:59:59",
        "--tag",
        client.sources[0]["name"],
        "/etc/hostname",
    ]
    made = json.loads(server.check_output(f"backup-restic {' '.join('%s' for _ in words)}", *words).splitlines()[-1])["snapshot_id"]
    try:
        said = client.fails(client.sources[0]["name"])
    finally:
        server.check_output("backup-restic %s forget %s", client.name, made)
    assert "from 2099-12-31 23:59 UTC, which this machine's clock takes for the future; fix: " in said


@pytest.mark.disruptive
def test_a_full_disk_of_the_server_is_named(client, server):
    folder, big = f"/srv/backup/{client.name}", f"{client.sources[0]['paths'][0]}/big"
    size = int(server.check_output("du -sk %s", folder).split()[0]) + 512
    server.check_output("mkdir -p /run/small && mount -t tmpfs -o size=%sk,mode=700,uid=backup,gid=backup tmpfs /run/small", str(size))
    try:
        server.check_output("cp -a %s/. /run/small/ && mount --bind /run/small %s", folder, folder)
        client.host.check_output("dd if=/dev/urandom of=%s bs=1M count=4 status=none", big)
        said = client.fails(client.sources[0]["name"])
    finally:
        client.host.run("rm -f %s", big)
        server.run("umount %s", folder)
        server.check_output("umount /run/small")
    assert f"the disk of {client.known['backup_client_server']} is full; fix: " in said


@pytest.mark.disruptive
def test_after_all_of_this_a_copy_is_made_again(client, server):
    name = client.sources[0]["name"]
    assert client.host.run("systemctl start backup@%s.service", name).rc == 0
    row = next(row for row in json.loads(server.check_output("backup-report")) if row["source"] == name)
    assert row["problems"] == [] and row["age_seconds"] < 600

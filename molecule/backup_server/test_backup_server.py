"""What role backup_server promises: every source is there and fresh, can be brought back, and what is wrong is said."""

import json
import re
from contextlib import contextmanager
from datetime import datetime

import pytest

from lab.together import each

KEYS = "/etc/ssh/backup-keys"
REPOSITORIES = "/srv/backup"
# Long after every limit.
LATER = "2100-01-01T00:00:00Z"
# argv: file. Turns one bit in the middle of it around; a second time brings it back. Times stay.
FLIP = """
import os, sys
times = os.stat(sys.argv[1])
with open(sys.argv[1], "r+b") as file:
    file.seek(times.st_size // 2)
    byte = file.read(1)[0]
    file.seek(-1, 1)
    file.write(bytes([byte ^ 1]))
os.utime(sys.argv[1], ns=(times.st_atime_ns, times.st_mtime_ns))
"""


@pytest.fixture(scope="module")
def keeper(members):
    """The name of the backup machine."""
    return members("backup")[0]


@pytest.fixture(scope="module")
def server(lab, keeper):
    return lab(keeper)


@pytest.fixture(scope="module")
def known(variables, keeper):
    return variables(keeper)


@pytest.fixture(scope="module")
def report(server):
    return json.loads(server.check_output("backup-report"))


def problems(server):
    return [problem for row in json.loads(server.check_output("backup-report")) for problem in row["problems"]]


def test_every_source_has_a_fresh_snapshot_and_no_problem(report, known):
    assert [{"machine": row["machine"], "source": row["source"]} for row in report] == known["backup_server_sources"]
    assert [row["problems"] for row in report if row["problems"]] == []
    limit = known.get("backup_server_fresh_within_hours", 26) * 3600
    assert [row["source"] for row in report if not row["snapshot"] or row["age_seconds"] > limit] == []


def test_a_source_that_is_not_copied_any_more_is_named(server, report):
    later = json.loads(server.check_output("backup-report --at %s", LATER))
    assert [
        row["source"] for row in later if not re.search(rf"newest snapshot of {row['source']} is \d+ hours old", row["problems"][0])
    ] == []


def test_a_restored_file_is_the_one_that_was_copied(server, report, lab, variables):
    def check(row):
        """The first file that nobody wrote to since; a source without any file has to be empty on its machine too."""
        listing = server.run("backup-restic %s ls --no-lock --json %s | head -n 400", row["machine"], row["snapshot"]).stdout
        files = [node for node in map(json.loads, listing.splitlines()) if node.get("type") == "file"]
        client = lab(row["machine"])
        if not files:
            assert older_files(client, variables(row["machine"]), row) == "", f"{row['source']}: its snapshot is empty, its machine is not"
            return
        stats = client.run(f"stat -c '%%n|%%s|%%Y' {' '.join('%s' for _ in files)}", *(node["path"] for node in files)).stdout
        here = {line.split("|")[0]: line.split("|")[1:] for line in stats.splitlines()}
        then = {node["path"]: [str(node["size"]), str(int(datetime.fromisoformat(node["mtime"]).timestamp()))] for node in files}
        same = next((path for path, stat in then.items() if here.get(path) == stat), None)
        if same is None:
            pytest.skip(f"{row['source']}: everything was written to since its newest snapshot")
        mine = client.check_output("sha256sum < %s", same)
        assert server.check_output("backup-restic %s dump --no-lock %s %s | sha256sum", row["machine"], row["snapshot"], same) == mine, same

    each(check, report)


def older_files(client, known, row):
    """Files of a source that were there when its snapshot was taken, one per line."""
    paths = next(source["paths"] for source in known["backup_client_sources"] if source["name"] == row["source"])
    words = "find %s -type f -not -path '*/lost+found/*' ! -newermt %s"
    return "".join(client.check_output(words, path, row["time"]) for path in paths)


def test_only_its_owner_reads_what_is_kept(server):
    modes = server.check_output("stat -c '%%U %%a' %s /var/lib/backup-server", REPOSITORIES).splitlines()
    assert modes == ["backup 700", "backup 700"]
    assert server.check_output("stat -c '%U %a' /etc/backup-server/password") == "backup 600"


def test_each_client_has_one_key_that_opens_its_own_repository_only(server, known, lab):
    clients = sorted({source["machine"] for source in known["backup_server_sources"]})
    assert server.check_output("ls %s", KEYS).split() == clients

    def check(name):
        lines = [line for line in server.check_output("cat %s/%s", KEYS, name).splitlines() if not line.startswith("#")]
        key = " ".join(lab(name).check_output("cat /etc/backup-client/id_ed25519.pub").split()[:2])
        command = rf'command="rclone serve restic --stdio --append-only --config=/dev/null {REPOSITORIES}/{re.escape(name)}",restrict '
        assert len(lines) == 1 and re.match(command + re.escape(key), lines[0]), name

    each(check, clients)
    said = server.check_output("sshd -T -C user=backup,host=x,addr=192.0.2.1")
    assert re.search(rf"(?m)^authorizedkeysfile {KEYS}/\S+( {KEYS}/\S+)*$", said)
    assert "disableforwarding yes" in said and "permittty no" in said


def test_reports_pruning_and_verifying_run_on_time(server):
    for job in ("report", "prune", "verify"):
        assert server.check_output("systemctl is-enabled backup-%s.timer", job) == "enabled"
        assert server.check_output("systemctl is-active backup-%s.timer", job) == "active"


def test_the_report_fails_when_it_has_something_to_say(server):
    assert server.run("systemctl start backup-report").rc == 0
    later = server.run("backup-report --check --at %s", LATER)
    assert later.rc == 1 and "hours old" in later.stderr and "; fix: " in later.stderr


@pytest.mark.disruptive
def test_pruning_leaves_what_has_to_be_kept(server, report):
    """Everything is younger than a day, so the newest of each source is what stays."""
    assert server.run("systemctl start backup-prune").rc == 0
    after = json.loads(server.check_output("backup-report"))
    assert [row["snapshot"] for row in after] == [row["snapshot"] for row in report]


@contextmanager
def moved(server, path):
    """A file that is away for a while; its times stay."""
    server.check_output("mv %s /root/away", path)
    try:
        yield
    finally:
        server.check_output("mv /root/away %s", path)


@pytest.mark.disruptive
def test_nothing_is_pruned_after_a_snapshot_vanished(server, report):
    row = report[0]
    with moved(server, f"{REPOSITORIES}/{row['machine']}/snapshots/{row['snapshot']}"):
        pruned = server.run("backup-prune %s", row["machine"])
        assert pruned.rc == 1
        assert f"nothing was removed: 1 snapshots of {row['machine']} vanished ({row['snapshot'][:8]}); fix: " in pruned.stderr
        assert any("vanished" in problem for problem in problems(server))
    assert problems(server) == []
    assert server.run("backup-prune %s", row["machine"]).rc == 0


@pytest.mark.disruptive
@pytest.mark.parametrize(("claimed", "said"), [("2099-12-31 23:59:59", "from the future"), ("2001-01-01 00:00:00", "claims 2001-01-01")])
def test_nothing_is_pruned_by_a_wrong_clock(server, report, claimed, said):
    row = report[-1]
    words = [row["machine"], "backup", "--json", "--quiet", "--time", claimed, "--tag", row["source"], "/etc/hostname"]
    made = json.loads(server.check_output(f"backup-restic {' '.join('%s' for _ in words)}", *words).splitlines()[-1])["snapshot_id"]
    try:
        pruned = server.run("backup-prune %s", row["machine"])
        assert pruned.rc == 1
        assert re.search(rf"nothing was removed: snapshot {made[:8]} .*{said}.*the clock of {row['machine']} .*; fix: ", pruned.stderr)
        assert any(made[:8] in problem for problem in problems(server))
        newest = [now["snapshot"] for now in json.loads(server.check_output("backup-report")) if now["source"] == row["source"]]
        assert newest == [row["snapshot"]], "a snapshot with a wrong time is no proof of freshness"
    finally:
        server.check_output("backup-restic %s forget %s", row["machine"], made)
    assert problems(server) == []


@pytest.mark.disruptive
def test_a_flipped_bit_is_found_and_named_until_it_is_mended(server, report):
    machine = report[0]["machine"]
    pack = server.check_output("ls -S %s/%s/data/*/* | head -n 1", REPOSITORIES, machine)
    server.check_output("python3 -c %s %s", FLIP, pack)
    try:
        verified = server.run("backup-verify %s", machine)
        assert verified.rc == 1
        assert re.search(
            rf"repository of {machine}: what is stored is damaged: packs .*{pack.rpartition('/')[2][:8]}.*; fix: ", verified.stderr
        )
        assert any("what is stored is damaged" in problem for problem in problems(server))
    finally:
        server.check_output("python3 -c %s %s", FLIP, pack)
    assert server.run("backup-verify %s", machine).rc == 0
    assert problems(server) == []


@pytest.mark.disruptive
def test_a_disk_that_fills_up_is_reported_and_stops_pruning_with_its_name(server, report):
    machine = report[0]["machine"]
    folder = f"{REPOSITORIES}/{machine}"
    size = int(server.check_output("du -sk %s", folder).split()[0])
    with small_disk(server, folder, size + 256):
        server.run("runuser -u backup -- dd if=/dev/zero of=%s/filler bs=64k", folder)
        pruned = server.run("backup-prune %s", machine)
        assert pruned.rc == 1
        assert f"repository of {machine}: the disk of the backup server is full; fix: " in pruned.stderr
    assert problems(server) == []


@contextmanager
def small_disk(server, folder, size_kib):
    """A small file system in place of a folder, with all that is in it."""
    server.check_output("mkdir -p /run/small && mount -t tmpfs -o size=%sk,mode=700,uid=backup,gid=backup tmpfs /run/small", str(size_kib))
    try:
        server.check_output("cp -a %s/. /run/small/ && mount --bind /run/small %s", folder, folder)
        yield
    finally:
        server.run("umount %s", folder)
        server.check_output("umount /run/small")

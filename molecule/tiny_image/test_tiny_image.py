"""What the tiny guest promises, under plain QEMU: it is told what it is, lets its owner in, moves data and sees disks."""

import dataclasses
import hashlib
import subprocess
import urllib.request

import guests
import pytest

from lab.images import builder, tiny
from lab.wait import wait_for

MIB = 1024**2
BULK = 20  # MiB each way


@pytest.fixture(scope="module")
def started(lab, members, variables, tmp_path_factory):
    """One is told by a service and one by a drive; both are switched on at once."""
    (name,) = members("lab")
    found = {}
    for number, told_by in enumerate(("service", "drive")):
        ports = (2201 + number, 8001 + number)
        guest = guests.Guest(lab(name), variables(name)["ansible_host"], f"by-{told_by}", tmp_path_factory.mktemp(told_by), ports)
        guest.make(told_by=told_by)
        guest.start(told_by=told_by)
        found[told_by] = guest
    return found


@pytest.fixture(scope="module")
def address(members, variables):
    """Where the guests' ports are reached."""
    (name,) = members("lab")
    return variables(name)["machine_spec"]["uplink"]["address"]


@pytest.mark.parametrize("told_by", ["service", "drive"])
def test_it_is_told_its_name_key_and_user_data(started, address, told_by):
    guest = started[told_by]
    assert f"as {guest.name}, instance {guests.UUID}, by the {told_by}, with 1 keys" in guest.wait_until_ready()
    shell = guest.ssh(address)
    assert shell.check_output("hostname") == guest.name
    assert shell.check_output("cat /srv/told") == guest.name


def test_without_its_key_nobody_gets_in(started, address, tmp_path):
    started["service"].wait_until_ready()
    other = guests.Guest(None, None, "other", tmp_path, (started["service"].ssh_port, 0))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other.key)], check=True)
    assert "Permission denied" in other.ssh(address).run("true").stderr


def test_its_page_names_it(started, address):
    guest = started["service"]
    guest.wait_until_ready()
    with urllib.request.urlopen(f"http://{address}:{guest.page_port}", timeout=120) as page:
        assert guests.UUID in page.read().decode()


def test_much_is_moved_both_ways(started, address):
    guest = started["service"]
    guest.wait_until_ready()
    words = ["ssh", "-i", str(guest.key), "-p", str(guest.ssh_port), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    data = bytes(range(256)) * 4096 * BULK
    told = subprocess.run([*words, f"root@{address}", "sha256sum"], input=data, capture_output=True, check=True).stdout
    assert told.split()[0].decode() == hashlib.sha256(data).hexdigest()
    there = subprocess.run([*words, "-n", f"root@{address}", f"head -c {BULK * MIB} /dev/zero"], capture_output=True, check=True).stdout
    assert there == bytes(BULK * MIB)


@pytest.mark.parametrize(("device", "node", "seen_as"), [("virtio-blk-pci", "blk", "/dev/vdb"), ("scsi-hd", "scsi", "/dev/sda")])
def test_a_disk_that_is_plugged_in_is_seen_written_and_let_go(started, address, device, node, seen_as):
    guest = started["service"]
    guest.wait_until_ready()
    shell = guest.ssh(address)
    guest.order("device_add", driver=device, drive=node, id=node)
    wait_for(f"{seen_as} is seen", lambda: shell.run("test -b %s", seen_as).rc, lambda seen: seen == 0, 60, pause_seconds=1)
    shell.check_output("mke2fs %s && mount -t ext4 %s /tmp && echo kept > /tmp/file && umount /tmp", seen_as, seen_as)
    guest.order("device_del", id=node)
    wait_for(f"{seen_as} is gone", lambda: shell.run("test -b %s", seen_as).rc, lambda seen: seen == 1, 60, pause_seconds=1)
    # In the file system that the guest made: the first block group's data is where the text is found.
    assert guest.bench.run("grep -q kept %s", f"{guest.folder}/{node}.raw").rc == 0


def test_the_power_button_ends_it_and_its_disk_keeps_what_it_is_known_by(started, address):
    guest = started["drive"]
    guest.wait_until_ready()
    keys = guest.ssh(address).check_output("echo kept > /disk/note; sha256sum /disk/dropbear/*")
    guest.order("system_powerdown")
    guest.wait_until_off()
    guest.start(told_by="drive")
    guest.wait_until_ready()
    assert guest.ssh(address).check_output("sha256sum /disk/dropbear/*") == keys
    assert guest.ssh(address).check_output("cat /disk/note") == "kept"


def test_the_same_packages_give_the_same_bytes(tmp_path):
    again = dataclasses.replace(tiny.recipe(), cache=tmp_path, container="strata-tiny-again", log=tmp_path / "log")
    first = tiny.ensure()
    assert first.stat().st_size < 17 * MIB
    assert builder.ensure(again, print).read_bytes() == first.read_bytes()

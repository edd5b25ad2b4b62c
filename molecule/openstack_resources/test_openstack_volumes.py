"""Volumes are proven by what is on them: written by one server, read by another on another compute, and as a snapshot kept it."""

import functools

import pytest

from lab.errors import LabError
from lab.openstack import address, steps
from lab.openstack.cloud import connect
from lab.openstack.model import parse
from lab.openstack.plan import detach_problem
from lab.openstack.state import State
from lab.wait import wait_for

WRITTEN_MB = 20
SEEN_SECONDS = 60
SERIAL = 20  # characters of a volume's id that a guest sees as the serial number of its disk


@pytest.fixture(scope="module")
def volumes(admin, tenant):
    """What the project has of volumes, which the fixture of the project does not know; nothing of it is left."""
    with connect(tenant.admin) as cloud:
        types = {entry["type"] for entry in cloud.connection.session.auth.get_access(cloud.connection.session).service_catalog.catalog}
    if not {"volumev3", "block-storage"} & types:
        pytest.skip("the site has no volumes")
    found = Volumes(tenant)
    try:
        yield found
    finally:
        found.remove()


class Volumes:
    """Volumes of a project, plugged into its servers and taken from them as a site's would be."""

    def __init__(self, tenant):
        self.tenant, self.things = tenant, []

    def ensure(self, **model):
        """Things of the project as wanted, remembered for the end."""
        things = parse(model)
        self.things += [thing for thing in things if thing.ref not in [one.ref for one in self.things]]
        with connect(self.tenant.login) as cloud:
            return steps.ensure_all(cloud, things)

    def plug(self, server, *names):
        """These and no other volumes are in a server."""
        return self.tenant.change(server, volumes=names)

    def serial(self, name):
        """What a guest knows a volume by."""
        with connect(self.tenant.login) as cloud:
            return State(cloud).id("volumes", name, "its serial number")[:SERIAL]

    def disk(self, server, name):
        """The disk that a guest sees as a volume; empty while it sees none."""
        return self.tenant.in_guest(server, f"cd /sys/block; grep -l {self.serial(name)} */serial | cut -d/ -f1; true")

    def seen(self, server, name):
        """The disk, as soon as the guest sees it: Nova says attached before that."""
        found = wait_for(f"server {server} sees volume {name}", lambda: self.disk(server, name), bool, SEEN_SECONDS, pause_seconds=1)
        return f"/dev/{found}"

    def write(self, server, name, word):
        """Fills the beginning of a volume with a word, and says its sum."""
        disk = self.seen(server, name)
        self.tenant.in_guest(server, f"yes {word} | head -c {WRITTEN_MB << 20} | dd of={disk} bs=1M conv=fsync 2>/dev/null; sync")
        return self.read(server, name)

    def read(self, server, name):
        """The sum of the beginning of a volume."""
        return self.tenant.in_guest(server, f"dd if={self.seen(server, name)} bs=1M count={WRITTEN_MB} 2>/dev/null | sha256sum").split()[0]

    def remove(self):
        """Servers let go of everything first."""
        for server in self.tenant.servers.values():
            self.plug(server)
        with connect(self.tenant.login) as cloud:
            steps.teardown(cloud, self.things)


@pytest.fixture(scope="module")
def data(tenant, volumes):
    """A volume of the project."""
    name = f"{tenant.mark}-data"
    volumes.ensure(volume=[{"name": name, "size_gib": 1}])
    return name


def test_every_part_of_cinder_is_up(admin, volumes):
    found = {service.binary: service.state for service in admin.connection.block_storage.services()}
    assert found == {"cinder-scheduler": "up", "cinder-volume": "up"}


def test_what_one_server_writes_another_on_another_compute_reads(tenant, volumes, data):
    """On a cloud with one compute, the same server reads it after it was taken away and given back."""
    first, other = next(iter(tenant.servers.values())), list(tenant.servers.values())[-1]
    volumes.plug(first, data)
    written = volumes.write(first, data, "strata")
    volumes.plug(first)
    gone = wait_for(f"{first} sees {data} no more", lambda: volumes.disk(first, data), lambda disk: not disk, SEEN_SECONDS, pause_seconds=1)
    assert gone == ""
    volumes.plug(other, data)
    assert volumes.read(other, data) == written
    volumes.plug(other)


def test_a_snapshot_is_the_volume_as_it_was(tenant, volumes, data):
    server, moment, back = next(iter(tenant.servers.values())), f"{tenant.mark}-moment", f"{tenant.mark}-back"
    volumes.plug(server, data)
    before = volumes.write(server, data, "before")
    volumes.plug(server)
    volumes.ensure(snapshot=[{"name": moment, "volume": data}])
    volumes.plug(server, data)
    after = volumes.write(server, data, "after")
    volumes.ensure(volume=[{"name": back, "size_gib": 1, "snapshot": moment}])
    volumes.plug(server, data, back)
    assert (volumes.read(server, back), volumes.read(server, data)) == (before, after)
    volumes.plug(server)


def test_a_server_boots_from_a_volume_which_nobody_takes_from_it(tenant, volumes):
    """Neither by the steps of the lab nor by Nova itself."""
    name, root = f"{tenant.mark}-from-disk", f"{tenant.mark}-root"
    server = {"flavor": tenant.mark, "networks": [tenant.mark], "security_groups": [tenant.mark], "keypair": tenant.mark}
    volumes.ensure(
        volume=[{"name": root, "size_gib": 1, "image": tenant.mark}],
        server=[{"name": name, "boot_volume": root, **server}],
        floating_ip=[{"name": name, "network": "provider"}],
    )
    with connect(tenant.login) as cloud:
        address.wait_for_address(cloud, name)
        state = State(cloud)
        ident, disk = state.id("servers", name, "its disk"), state.id("volumes", root, "its server")
        assert tenant.in_guest(name, "hostname") == name
        seen = steps.KINDS["server"].observe(state, [])[name]
        assert detach_problem(root, seen)
        take = functools.partial(cloud.connection.compute.delete_volume_attachment, ident, disk, ignore_missing=False)
        with pytest.raises(LabError, match=r"(?i)root|boot"):
            cloud.tell(f"volume {root}: detach", take)
        with pytest.raises(LabError, match=f"server {name} has it"):
            steps.remove(cloud, "volume", root)
        assert cloud.connection.block_storage.get_volume(disk).status == "in-use"

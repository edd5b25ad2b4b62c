"""A cloud is proven by its servers: they boot everywhere, are reached and refused as they should be, and move more than a ping."""

import itertools
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tenant import Tenant

from lab.openstack import steps
from lab.openstack.cloud import connect
from lab.openstack.model import parse
from lab.wait import wait_for

BULK_MB = 20
AGENTS_SECONDS = 120


def test_every_part_of_nova_is_up(admin, hosts):
    def seen():
        return {(item.binary, item.host): item.state for item in admin.connection.compute.services()}

    found = wait_for("services of Nova are up", seen, lambda all_: all_ and set(all_.values()) == {"up"}, AGENTS_SECONDS)
    assert {host for binary, host in found if binary == "nova-compute"} == set(hosts)
    assert {"nova-conductor", "nova-scheduler"} <= {binary for binary, _ in found}


def test_every_agent_of_the_networks_is_alive(admin, hosts):
    def seen():
        return {(item.agent_type, item.host): item.is_alive for item in admin.connection.network.agents()}

    found = wait_for("agents are alive", seen, lambda all_: all_ and all(all_.values()), AGENTS_SECONDS)
    assert {host for kind, host in found if kind == "OVN Metadata agent"} >= set(hosts)


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ("compute", ["server", "list"]),
        ("image", ["image", "list"]),
        ("network", ["network", "list"]),
        ("volumev3", ["volume", "list"]),
        ("object-store", ["container", "list"]),
    ],
)
def test_the_client_lists_what_there_is_at_once(known, admin, service, words):
    """By the file that the role writes, from the controller, which knows none of the lab's names."""
    session = admin.connection.session
    if service not in {entry["type"] for entry in session.auth.get_access(session).service_catalog.catalog}:
        pytest.skip(f"the site has no {service}")
    file = Path(known["openstack_resources_clouds_file"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    env = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(file), "OS_CLOUD": known["openstack_resources_name"]}
    client = Path(sys.executable).parent / "openstack"
    done = subprocess.run([client, *words, "--format", "json"], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout), list)


def test_a_server_boots_on_every_compute_with_address_name_and_key(tenant):
    for name in tenant.servers.values():
        assert tenant.in_guest(name, "hostname") == name
        assert tenant.inside(name) in tenant.in_guest(name, "ip -4 address show")


def test_another_key_opens_nothing(tenant):
    name = next(iter(tenant.servers.values()))
    tenant.in_guest(name, "true")
    tenant.visitor.check_output(f"rm -f {tenant.key}-other {tenant.key}-other.pub; ssh-keygen -q -t ed25519 -N '' -f {tenant.key}-other")
    words = tenant.ssh(name, "true").replace(f"-i {tenant.key}", f"-o IdentitiesOnly=yes -i {tenant.key}-other")
    # A status of 255 would be taken for that of the connection to the visitor.
    done = tenant.visitor.run(f"{words} && echo in || echo out")
    tenant.visitor.run(f"rm -f {tenant.key}-other {tenant.key}-other.pub")
    assert (done.stdout.strip(), "Permission denied" in done.stderr) == ("out", True), done.stderr


def test_what_no_rule_allows_is_dropped(tenant):
    """The guest serves a page, which its own machine shows, and the security group lets nobody see."""
    name = next(iter(tenant.servers.values()))
    assert tenant.in_guest(name, "wget -q -O - http://127.0.0.1/ >/dev/null && echo served") == "served"
    try_it = "import socket,sys\ntry:\n socket.create_connection((sys.argv[1], 80), 5)\nexcept TimeoutError:\n print('dropped')"
    assert tenant.visitor.check_output("python3 -c %s %s", try_it, tenant.floating(name)).strip() == "dropped"


def test_bulk_data_passes_a_floating_address_both_ways(tenant):
    """Both faults of the switch in user space let a ping and a login pass."""
    for name in tenant.servers.values():
        tenant.in_guest(name, "true")
        give = f"dd if=/dev/zero bs=1M count={BULK_MB} 2>/dev/null | timeout 120 {tenant.ssh(name, 'wc -c')}"
        assert int(tenant.visitor.check_output(give)) == BULK_MB << 20, f"to {name}"
        take = f"timeout 120 {tenant.ssh(name, f'dd if=/dev/zero bs=1M count={BULK_MB} 2>/dev/null')} | wc -c"
        assert int(tenant.visitor.check_output(take)) == BULK_MB << 20, f"from {name}"


def test_servers_of_different_computes_reach_each_other_with_the_largest_packet(tenant):
    if len(tenant.servers) < 2:
        pytest.skip("one compute has nobody to have a tunnel to")
    for name, other in itertools.permutations(tenant.servers.values(), 2):
        mtu = int(tenant.in_guest(name, "cat /sys/class/net/eth0/mtu"))
        assert tenant.in_guest(name, f"ping -c 1 -W 5 -s {mtu - 28} {tenant.inside(other)} >/dev/null && echo passed") == "passed"


def test_a_server_reaches_the_world_by_its_router(tenant):
    name = next(iter(tenant.servers.values()))
    gateway = tenant.in_guest(name, "ip route show default").split()[2]
    assert tenant.in_guest(name, f"ping -c 1 -W 5 {gateway} >/dev/null && echo passed") == "passed"


@pytest.fixture
def mover(tenant):
    """A server of its own, for a new size may take it to another compute; those of the project stay where they are."""
    name = f"{tenant.mark}-mover"
    server = {
        "flavor": tenant.mark,
        "image": tenant.mark,
        "networks": [tenant.mark],
        "security_groups": [tenant.mark],
        "keypair": tenant.mark,
    }
    things = parse({"server": [{"name": name, **server}], "floating_ip": [{"name": name, "network": "provider"}]})
    with connect(tenant.login) as cloud:
        try:
            steps.ensure_all(cloud, things)
            yield things[0]
        finally:
            steps.teardown(cloud, things)


def test_a_server_gets_another_size_and_its_old_one_again(tenant, mover):
    """Wherever it finds room: computes copy its disk to each other."""
    before = memory_kib(tenant, mover.name)
    with connect(tenant.login) as cloud:
        steps.ensure(cloud, mover.model_copy(update={"flavor": tenant.larger}))
        assert memory_kib(tenant, mover.name) > before * 1.5
        steps.ensure(cloud, mover)
    assert memory_kib(tenant, mover.name) == before


def memory_kib(tenant, name):
    """What a guest finds."""
    return int(tenant.in_guest(name, "cat /proc/meminfo").split()[1])


def test_nothing_of_a_project_is_left_when_it_is_removed(known, hosts, members, lab, tmp_path_factory, admin):
    made = Tenant(known["openstack_resources_cloud"], tmp_path_factory.mktemp("gone"), lab(members("client")[0]), hosts[:1])
    try:
        made.make()
    finally:
        made.remove()
    left = [item.name for item in admin.connection.compute.servers(all_projects=True) if str(item.name).startswith(made.mark)]
    left += [item.name for item in admin.connection.network.networks() if str(item.name).startswith(made.mark)]
    left += [item.name for item in admin.connection.image.images() if str(item.name).startswith(made.mark)]
    left += [item.name for item in admin.connection.identity.projects() if str(item.name).startswith(made.mark)]
    assert left == []

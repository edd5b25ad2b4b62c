"""What breaks is named, comes back without a hand, and leaves nothing half-made."""

import uuid

import pytest

from lab.errors import LabError
from lab.openstack import steps
from lab.openstack.cloud import connect
from lab.openstack.model import parse
from lab.openstack.task import login
from lab.reboots import reboot
from lab.wait import wait_for

REBOOT_SECONDS, RECOVERY_SECONDS = 300, 300
PATIENCE_SECONDS = 5  # of a client that shall be told, and not wait for a service that starts
OUTAGE_SECONDS = 60
TOO_LARGE_MIB = 48 * 1024  # for any machine of a rehearsal, and within the quota that a project has by itself
FULL_MIB = 4  # less than the image of the checks takes
# Daemons that work for others: killed in the middle of it, as by a lack of memory.
WORKERS = ("nova-conductor", "nova-scheduler", "neutron-rpc-server", "nova-compute", "neutron-ovn-metadata-agent")


@pytest.fixture(scope="module")
def told(known):
    return known["openstack_resources_cloud"]


@pytest.fixture(scope="module")
def central(lab, members):
    return lab(members("openstack_control")[0])


@pytest.fixture
def mark():
    return f"check-{uuid.uuid4().hex[:8]}"


def missing(admin, hosts):
    """What of Nova and Neutron is not up; an API that does not answer is one of it."""
    try:
        services = admin.ask("services of Nova", lambda: list(admin.connection.compute.services()))
        agents = admin.ask("agents of Neutron", lambda: list(admin.connection.network.agents()))
    except LabError as error:
        return [str(error)]
    up = {(item.binary, item.host) for item in services if item.state == "up"}
    down = [f"{item.binary} on {item.host}" for item in services if item.state != "up"]
    down += [f"no nova-compute on {host}" for host in hosts if ("nova-compute", host) not in up]
    return down + [f"{item.agent_type} on {item.host}" for item in agents if not item.is_alive]


def comes_back(admin, hosts, why):
    """All of it, without a hand."""
    what = f"the cloud is whole again after {why}"
    wait_for(what, lambda: missing(admin, hosts), lambda seen: seen == [], RECOVERY_SECONDS, pause_seconds=3)


def test_a_wrong_password_is_named(told):
    with connect(login({**told, "password": "wrong"})) as cloud, pytest.raises(LabError, match="the login was refused") as caught:
        steps.ensure_all(cloud, parse({"project": [{"name": "nobody"}]}))
    assert "wrong" not in str(caught.value)


def allow(tenant, servers):
    """How many servers the project of the checks may have."""
    with connect(tenant.admin) as cloud:
        steps.ensure_all(cloud, parse({"quota": [{"name": tenant.mark, "limits": {"servers": servers}}]}))


def test_a_server_beyond_the_quota_is_refused_by_name_and_nothing_is_left(tenant):
    name = f"{tenant.mark}-more"
    server = {"name": name, "flavor": tenant.mark, "image": tenant.mark, "networks": [tenant.mark]}
    allow(tenant, len(tenant.servers))
    try:
        with connect(tenant.login) as cloud:
            with pytest.raises(LabError, match="the project's quota is used up"):
                steps.ensure_all(cloud, parse({"server": [server]}))
            assert name not in [item.name for item in cloud.connection.compute.servers()]
    finally:
        allow(tenant, -1)


@pytest.fixture
def too_large(tenant, mark):
    """A flavor that was made by hand: a site that asks for such a one is refused."""
    flavor = parse({"flavor": [{"name": mark, "vcpus": 1, "memory_mib": TOO_LARGE_MIB, "disk_gib": 1}]})
    with connect(tenant.admin) as cloud:
        steps.ensure_all(cloud, flavor)
        yield mark
        steps.teardown(cloud, flavor)


def test_a_server_that_no_compute_holds_says_why(tenant, too_large):
    server = parse({"server": [{"name": too_large, "flavor": too_large, "image": tenant.mark, "networks": [tenant.mark]}]})
    with connect(tenant.login) as cloud:
        try:
            with pytest.raises(LabError, match=r"(?i)no valid host.*compute nodes: .*; fix: "):
                steps.ensure_all(cloud, server)
        finally:
            steps.teardown(cloud, server)


def test_a_size_that_no_compute_holds_leaves_the_server_as_it_was(tenant, too_large):
    name = next(iter(tenant.servers.values()))
    with pytest.raises(LabError, match=f"server {name}"):
        tenant.change(name, flavor=too_large)
    assert tenant.in_guest(name, "hostname") == name
    assert not tenant.change(name).changed


@pytest.mark.disruptive
def test_a_full_store_of_images_is_named_and_keeps_nothing_half(central, tenant, mark):
    store = "/var/lib/glance/images"
    image = {"name": mark, "file": tenant.image, "visibility": "private"}
    central.check_output(f"mount -t tmpfs -o size={FULL_MIB}m,uid=$(id -u glance),gid=$(id -g glance) tmpfs {store}")
    try:
        with connect(tenant.login) as cloud:
            with pytest.raises(LabError, match=f"image {mark}.*(?i:full|space|too large)"):
                steps.ensure_all(cloud, parse({"image": [image]}))
            assert mark not in [item.name for item in cloud.connection.image.images()]
    finally:
        central.check_output(f"umount {store}")
    with connect(tenant.login) as cloud:
        steps.ensure_all(cloud, parse({"image": [image]}))
        steps.teardown(cloud, parse({"image": [image]}))


@pytest.mark.disruptive
def test_a_killed_service_comes_back_by_itself(lab, members, admin, hosts):
    for name in members("openstack"):
        for unit in WORKERS:
            if lab(name).run("systemctl is-active --quiet %s", unit).rc == 0:
                lab(name).check_output("systemctl kill --signal=KILL %s", unit)
    for name in members("openstack"):
        for unit in WORKERS:
            if lab(name).run("systemctl is-enabled --quiet %s", unit).rc == 0:
                wait_for(
                    f"{unit} runs again",
                    lambda name=name, unit=unit: lab(name).run("systemctl is-active %s", unit).stdout.strip(),
                    lambda seen: seen == "active",
                    RECOVERY_SECONDS,
                    pause_seconds=1,
                    where=name,
                )
    comes_back(admin, hosts, "its daemons were killed")


@pytest.mark.disruptive
def test_a_minute_without_the_database_is_named_and_over_with_it(central, told, admin, hosts, mark):
    model = parse({"project": [{"name": mark}]})
    central.check_output("systemctl stop mariadb")
    try:
        with connect(login(told), patience_seconds=PATIENCE_SECONDS) as cloud, pytest.raises(LabError, match=r"HTTP 50[0234]"):
            steps.ensure_all(cloud, model)
        central.check_output(f"sleep {OUTAGE_SECONDS}")
    finally:
        central.check_output("systemctl start mariadb")
    comes_back(admin, hosts, "its database was down")
    with connect(login(told)) as cloud:
        steps.ensure_all(cloud, model)
        steps.teardown(cloud, model)


@pytest.mark.disruptive
def test_a_server_that_is_lost_with_the_broker_is_named_and_made_again(central, admin, hosts, tenant, mark):
    """What is on its way while the broker restarts may be lost: then that is said, it can be removed, and the next try succeeds."""
    model = parse({"server": [{"name": mark, "flavor": tenant.mark, "image": tenant.mark, "networks": [tenant.mark]}]})
    try:
        central.check_output("systemctl --no-block restart rabbitmq-server")
        try:
            with connect(tenant.login) as cloud:
                steps.ensure_all(cloud, model)
        except LabError as error:
            assert f"server {mark}" in str(error)
        comes_back(admin, hosts, "its broker restarted")
        with connect(tenant.login) as cloud:
            steps.teardown(cloud, model)
            steps.ensure_all(cloud, model)
    finally:
        with connect(tenant.login) as cloud:
            steps.teardown(cloud, model)


@pytest.mark.disruptive
def test_every_machine_may_reboot_and_servers_answer_again(lab, members, admin, hosts, tenant):
    for server in tenant.servers.values():
        tenant.in_guest(server, "true")
    for name in members("openstack"):
        reboot(lab(name), name, REBOOT_SECONDS)
        comes_back(admin, hosts, f"{name} rebooted")
        for server in tenant.servers.values():
            assert tenant.in_guest(server, "hostname") == server, f"after {name} rebooted"

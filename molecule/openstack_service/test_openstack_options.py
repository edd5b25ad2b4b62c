"""What services promise that a cloud need not have; a check is left out where the site has not asked for its service."""

import contextlib
import html
import os
import re
import secrets
import sys
import uuid
from pathlib import Path

import pytest
import requests

sys.path.insert(0, str(Path(__file__).parent))
from clients import services

from lab.errors import LabError
from lab.openstack import steps
from lab.openstack.cloud import by_address, connect
from lab.openstack.model import parse
from lab.openstack.task import login
from lab.wait import wait_for

READY_SECONDS = 120
TEMPLATE = {
    "heat_template_version": "2021-04-16",
    "resources": {"word": {"type": "OS::Heat::RandomString", "properties": {"length": 12}}},
    "outputs": {"word": {"value": {"get_attr": ["word", "value"]}}},
}
NETWORK = {
    "net": {"type": "OS::Neutron::Net", "properties": {"name": {"get_attr": ["word", "value"]}}},
    "subnet": {"type": "OS::Neutron::Subnet", "properties": {"network": {"get_resource": "net"}, "cidr": "198.51.100.0/24"}},
}
# argv: server, name. Asks for an A record and says the addresses.
ASK = """
import socket, struct, sys
server, name = sys.argv[1:]
question = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + struct.pack(">xHH", 1, 1)
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.settimeout(5)
link.sendto(struct.pack(">6H", 7, 256, 1, 0, 0, 0) + question, (server, 53))
answer = link.recv(512)
count, at = struct.unpack(">6H", answer[:12])[3], 12 + len(question)
for _ in range(count):
    kind, _, _, size = struct.unpack(">HHIH", answer[at + 2:at + 12])
    print(*([socket.inet_ntoa(answer[at + 12:at + 16])] if kind == 1 else []))
    at += 12 + size
"""


@pytest.fixture(scope="module")
def name(members):
    return members("openstack_control")[0]


@pytest.fixture(scope="module")
def known(variables, name):
    return variables(name)


@pytest.fixture(scope="module")
def told(known):
    """How the administrator logs in; a scenario's file is where Molecule keeps its things."""
    made = os.environ.get("MOLECULE_EPHEMERAL_DIRECTORY", "")
    found = known.get("openstack_service_cloud") or pytest.skip("Keystone is alone here")
    return found | {"ca_file": found["ca_file"].replace("{{ lookup('env', 'MOLECULE_EPHEMERAL_DIRECTORY') }}", made)}


@pytest.fixture(scope="module")
def cloud(told):
    with connect(login(told)) as found:
        yield found


@pytest.fixture
def has(known):
    """`has(name)` leaves a check out where the machine has no such service."""
    names = {service["name"] for service in services(known)}
    return lambda one: None if one in names else pytest.skip(f"the site has no {one}")


@pytest.fixture
def mark():
    return f"check-{uuid.uuid4().hex[:8]}"


@contextlib.contextmanager
def made(cloud, model):
    """Things for the time of a check."""
    things = parse(model)
    try:
        steps.ensure_all(cloud, things)
        yield things
    finally:
        steps.teardown(cloud, things)


def test_a_volume_a_snapshot_of_it_and_another_of_that_are_made_and_removed(has, cloud, mark):
    has("cinder")
    model = {
        "volume": [{"name": mark, "size_gib": 1}, {"name": f"{mark}-back", "size_gib": 1, "snapshot": f"{mark}-moment"}],
        "snapshot": [{"name": f"{mark}-moment", "volume": mark}],
    }
    with made(cloud, model) as things:
        assert [change.what for change in steps.ensure_all(cloud, things) if change.changed] == []
    assert [item.name for item in cloud.connection.block_storage.volumes() if str(item.name).startswith(mark)] == []


def test_a_volume_beyond_the_quota_is_refused_by_name_and_nothing_is_left(has, cloud, mark):
    has("cinder")
    with pytest.raises(LabError, match=f"volume {mark}.*quota of the project|the project's quota is used up"):
        steps.ensure_all(cloud, parse({"volume": [{"name": mark, "size_gib": 5000}]}))
    assert [item.name for item in cloud.connection.block_storage.volumes() if str(item.name).startswith(mark)] == []


def test_the_store_of_volumes_is_whole(has, machine):
    """Its managers' warnings about modules that Debian's Python cannot load do not count: what counts is that every part is active."""
    has("ceph-store")
    assert re.search(r"\b1 osds: 1 up\b.*\b1 in\b", machine.check_output("ceph --connect-timeout 30 osd stat"))
    wait_for(
        "every part of the store is active and clean",
        lambda: machine.check_output("ceph --connect-timeout 30 pg stat"),
        lambda said: re.search(r"(\d+) pgs: \1 active\+clean;", said),
        READY_SECONDS,
    )


def test_a_stack_is_made_and_says_what_it_made(has, cloud, known, mark):
    """With a network, where the machine has networks; of all of it, nothing is left."""
    has("heat")
    has_networks = "neutron" in {service["name"] for service in services(known)}
    template = {**TEMPLATE, "resources": {**TEMPLATE["resources"], **(NETWORK if has_networks else {})}}

    def networks(word):
        return [item.name for item in cloud.connection.network.networks(name=word)] if has_networks else []

    with made(cloud, {"stack": [{"name": mark, "template": template}]}):
        (stack,) = [item for item in cloud.connection.orchestration.stacks() if item.name == mark]
        (output,) = cloud.connection.orchestration.get_stack(stack.id).outputs
        word = output["output_value"]
        assert (output["output_key"], len(word)) == ("word", 12)
        assert networks(word) == ([word] if has_networks else [])
    assert mark not in [item.name for item in cloud.connection.orchestration.stacks()]
    assert networks(word) == []


def test_an_object_comes_back_as_it_went(has, cloud, mark):
    has("swift")
    storage, data = cloud.connection.object_store, secrets.token_bytes(1 << 20)
    storage.create_container(mark)
    try:
        storage.upload_object(mark, "thing", data=data)
        assert storage.download_object("thing", mark) == data
        assert [item.name for item in storage.objects(mark)] == ["thing"]
    finally:
        storage.delete_object("thing", container=mark)
        storage.delete_container(mark)
    assert mark not in [item.name for item in storage.containers()]


def test_an_object_is_nobody_else_s(has, cloud, told, mark):
    has("swift")
    storage = cloud.connection.object_store
    storage.create_container(mark)
    try:
        url = f"{storage.get_endpoint()}/{mark}"
        with browser(told) as session:
            assert session.get(url, timeout=60).status_code == 401
    finally:
        storage.delete_container(mark)


def test_a_name_that_a_project_makes_is_resolved_by_the_lab(has, cloud, known, variables, members, machine, mark):
    """On a site by whom the machine asks for all names, which is the lab's router; in a scenario without one by the server itself."""
    has("designate")
    routers = members("router")
    below = variables(routers[0])["router_zones"][0]["name"] if routers else known["baseline_domain"]
    zone, dns = f"{mark}.{below}.", cloud.connection.dns
    item = dns.create_zone(name=zone, email=f"check@{below}", ttl=60)
    try:
        dns.create_recordset(item, name=f"www.{zone}", type="A", records=["192.0.2.7"], ttl=60)
        words = ("getent ahostsv4 %s | cut -d' ' -f1 | sort -u", f"www.{zone}") if routers else None
        asked = words or ("python3 -c %s 127.0.0.1 %s", ASK, f"www.{zone}".rstrip("."))
        wait_for(
            f"www.{zone} is resolved",
            lambda: machine.run(*asked).stdout.strip(),
            lambda said: said == "192.0.2.7",
            READY_SECONDS,
            pause_seconds=2,
        )
    finally:
        dns.delete_zone(item)
    wait_for(f"{zone} is gone", lambda: [one.name for one in dns.zones() if one.name == zone], lambda left: not left, READY_SECONDS)


@contextlib.contextmanager
def browser(told):
    """What keeps cookies and follows links as a browser does, and shows nothing: no page of Horizon's scripts runs in it."""
    with requests.Session() as session:
        session.verify, session.trust_env = told["ca_file"], False
        session.mount("https://", by_address(told["address"]))
        yield session


def enter(session, told, password):
    """Fills in the form that the bare name leads to, with everything that stands hidden in it; the page that it leads to."""
    url = told["auth_url"].rsplit(":", 1)[0] + "/horizon/auth/login/"
    first = session.get(told["auth_url"].rsplit(":", 1)[0] + "/", timeout=120)
    assert first.url.partition("?")[0] == url
    form = first.text
    hidden = {}
    for field in re.findall(r"<input[^>]*>", form):
        found = dict(re.findall(r'(\w+)="([^"]*)"', field))
        if found.get("type") == "hidden" and "name" in found:
            hidden[found["name"]] = html.unescape(found.get("value", ""))
    filled = hidden | {"username": told["user"], "password": password}
    return session.post(url, data=filled, headers={"Referer": url}, timeout=120)


def test_horizon_lets_in_who_fills_in_its_form_as_a_program_without_a_screen(has, told):
    has("horizon")
    with browser(told) as session:
        page = enter(session, told, told["password"])
        assert (page.status_code, "/auth/logout/" in page.text) == (200, True), page.url
        assert "sessionid" in session.cookies
        images = session.get(told["auth_url"].rsplit(":", 1)[0] + "/horizon/identity/", timeout=120)
        assert (images.status_code, "/auth/login/" in images.url) == (200, False)


def test_horizon_lets_nobody_in_with_a_wrong_password(has, told):
    has("horizon")
    with browser(told) as session:
        page = enter(session, told, "wrong")
        assert "/auth/login/" in page.url and "/auth/logout/" not in page.text


@pytest.fixture(scope="module")
def machine(lab, name):
    return lab(name)

"""What role ovirt_resources promises, and the machines made on it: on the engine, on the hypervisors' wires and in the guests."""

import json
from ipaddress import ip_address, ip_network
from pathlib import Path

import engines
import pytest

from lab.images import debian
from lab.ovirt import placement, steps, task
from lab.ovirt.engine import connect
from lab.ovirt.errors import EngineError
from lab.ovirt.model import thing
from lab.ovirt.state import State
from lab.platforms import ovirt
from lab.together import each
from lab.wait import wait_for

GROUP = "strata-check"
MOVED_SECONDS = 120
GREETING = "import socket, sys; print(socket.create_connection((sys.argv[1], 22), 10).recv(4).decode())"


@pytest.fixture(scope="module")
def site(members, variables):
    return engines.site(variables(members("ovirt_resources")[0]))


@pytest.fixture(scope="module")
def guests(members, lab, variables):
    """[(name, host, variables)] of the machines on oVirt."""
    names = members("platform_ovirt")
    if not names:
        pytest.skip("no machine is on oVirt")
    return [(name, lab(name), variables(name)) for name in names]


@pytest.fixture(scope="module")
def guest(guests):
    return guests[0]


def boot_of(host):
    return host.check_output("cat /proc/sys/kernel/random/boot_id")


def place_of(site, name):
    return site.seen("vm")[name].notes["hypervisor"]


def test_the_engine_has_what_the_site_wants(site):
    with site.engine() as engine:
        different = [str(change.what) for kind, values in site.things() if (change := steps.ensure(engine, thing(kind, values))).changed]
    assert different == []


def test_a_wrong_password_is_refused_and_named(site):
    wrong = task.login(site.given["engine"] | {"password": "not the password"})
    with connect(wrong, check=True) as engine, pytest.raises(EngineError, match=r"password"):
        State(engine).objects("data_centers")


def test_hypervisors_are_up(site):
    seen = {name: one.values["state"] for name, one in site.seen("hypervisor").items()}
    assert {one["name"]: seen.get(one["name"]) for one in site.given["hypervisors"]} == {
        one["name"]: "up" for one in site.given["hypervisors"]
    }


def test_networks_are_bridges_on_the_hypervisors(site, members, lab, variables):
    """On the hypervisor itself: the interface is a port of a bridge that has the network's name."""
    hosts = {name: lab(name) for name in members("ovirt_hypervisor")}
    reached = {variables(name)["machine_spec"].get("hostname", name): name for name in hosts}

    def check(one):
        host = hosts[reached.get(one["hypervisor"], one["hypervisor"])]
        links = {link["ifname"]: link for link in json.loads(host.check_output("ip -json link show"))}
        tagged = next(each["vlan"] for each in site.given["networks"] if each["name"] == one["name"])
        port = f"{one['interface']}.{tagged}" if tagged else one["interface"]
        assert links[port].get("master") == one["name"], f"{one['hypervisor']} {port}: {links[port].get('master')}"

    each(check, site.given["attachments"])


def test_storage_is_active(site):
    seen = site.seen("storage_domain")
    assert {one["name"]: seen[one["name"]].values["state"] for one in site.given["storage_domains"]} == {
        one["name"]: "active" for one in site.given["storage_domains"]
    }


def test_storage_was_written_to_as_36_36(site, members, lab, variables):
    """On the NAS itself: the domain's folder belongs to vdsm and kvm."""
    stores = [lab(name) for name in members("nas")]
    for one in site.given["storage_domains"]:
        owners = {
            store.check_output("find %s -mindepth 1 -maxdepth 1 -not -name lost+found -printf '%%U:%%G %%f\\n'", one["path"])
            for store in stores
        }
        assert any("36:36" in text for text in owners), f"{one['path']}: {owners}"


def test_the_template_is_the_image_that_was_built_here(site):
    wanted = site.given["template"]
    file = debian.CACHE / f"{debian.name(wanted['suite'])}.qcow2"
    assert file.is_file(), file
    values = {"cluster": site.given["cluster"]["name"], "storage_domain": wanted["storage_domain"], "image": file}
    with site.engine() as engine:
        assert not steps.ensure(engine, thing("template", {"name": wanted["name"], **values})).changed


def test_a_check_run_of_all_of_it_writes_nothing(site):
    with site.engine() as engine:  # refuses to send anything but questions
        for kind, values in site.things():
            renamed = values if kind == "hypervisor_network" else {**values, "name": "nowhere"}
            steps.ensure(engine, thing(kind, renamed))


def test_guests_have_the_addresses_of_the_site(guests):
    def check(one):
        name, host, known = one
        for wanted in known["machine_spec"]["addresses"]:
            found = json.loads(host.check_output("ip -json -4 address show dev %s", wanted["interface"]))
            have = [f"{info['local']}/{info['prefixlen']}" for info in found[0]["addr_info"]]
            assert have == [wanted["address"]], f"{name} {wanted['interface']}: {have}"

    each(check, guests)


def test_guests_go_out_by_the_router(guests):
    def check(one):
        name, host, known = one
        gateways = [wanted["gateway"] for wanted in known["machine_spec"]["addresses"] if wanted["gateway"]]
        routes = json.loads(host.check_output("ip -json route show default"))
        assert [route["gateway"] for route in routes] == gateways, name
        assert host.run("ping -c 1 -W 5 %s", gateways[0]).rc == 0, f"{name}: its gateway does not answer"

    each(check, guests)


def test_guests_are_made_from_the_disk_that_was_uploaded(guests, site):
    """The engine says which template, and the guest that it found the engine's drive at its first boot."""
    seen = site.seen("vm")
    templates = site.seen("template")

    def check(one):
        name, host, _ = one
        assert templates[seen[name].values["template"]].values["sha256"], f"{name}: its template was not made from an image of ours"
        assert "ConfigDrive" in host.check_output("cat /var/lib/cloud/instance/datasource"), name
        root = int(host.check_output("findmnt --noheadings --bytes --output SIZE /").strip())
        assert root > (seen[name].values["disk_gib"] - 0.5) * 1024**3, f"{name}: its root did not grow into its disk"

    each(check, guests)


def test_guests_report_what_they_are(guests, site):
    seen = site.seen("vm")
    for name, _, known in guests:
        assert known["machine_spec"]["address"] in seen[name].notes["reported"], name


@pytest.mark.live
def test_guests_answer_on_ssh_under_their_names(guests, members, lab, variables):
    """Asked by another machine, whose resolver is the lab's."""
    routers = members("router")
    if not routers:
        pytest.skip("no router, so no names")
    legs = variables(routers[0])["router_legs"]

    def may_reach(name, address):
        home = next(leg["name"] for leg in legs if ip_address(address) in ip_network(leg["cidr"]))
        mine = next((leg for leg in legs if ip_address(variables(name)["ansible_host"]) in ip_network(leg["cidr"])), None)
        return mine is not None and home in (mine["name"], *mine["reach"])

    def check(one):
        name, _, known = one
        askers = [other for other in members("client") if other != name and may_reach(other, known["ansible_host"])]
        assert askers, f"no client may reach {name}, so nothing is proven"
        full = f"{known['baseline_hostname']}.{known['baseline_domain']}"
        assert lab(askers[0]).check_output("getent ahostsv4 %s", full).split()[0] == known["ansible_host"], full
        allowed = [other for other in askers if variables(other)["ansible_host"] and manages(variables(other), known)]
        for other in allowed[:1]:
            assert lab(other).check_output("python3 -c %s %s", GREETING, full) == "SSH-", f"{other} to {full}"

    each(check, guests)


def manages(asker, known):
    """Whether a machine's firewall lets another one open SSH."""
    return any(ip_address(asker["ansible_host"]) in ip_network(cidr) for cidr in known["baseline_ssh_from"])


def test_guests_are_known_by_the_host_key_they_were_given(guests):
    for name, host, known in guests:
        told = Path(known["machine_spec"]["host_key_file"]).with_suffix(".pub").read_text().split()[:2]
        assert host.check_output("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[:2] == told, name


def test_guests_are_on_the_wires_of_their_hypervisor(guests, site, members, lab):
    """Not as the engine says, but as the bridge sees it: the guest's address is behind a port that is no card of the hypervisor."""

    def check(one):
        name, host, known = one
        hypervisor = place_of(site, name)
        cards = {each["interface"] for each in site.given["attachments"] if each["hypervisor"] == hypervisor}
        for nic in known["machine_spec"]["nics"]:
            assert on_wire(host, lab(hypervisor), nic["mac"]) - cards, f"{name} {nic['mac']} is not on {hypervisor}"

    each(check, guests)


def on_wire(guest, hypervisor, mac):
    """Ports behind which a hypervisor sees a guest that has just spoken."""
    guest.run("ping -c 1 -W 2 $(ip route show default | cut -d' ' -f3)")
    return engines.ports_of(hypervisor, mac)


def test_machines_run_where_their_groups_want_them(site):
    if not site.given["affinity"]:
        pytest.skip("the site has no affinity groups")
    with site.engine() as engine:
        assert not placement.keep(engine, site.given["cluster"]["name"], fix=False).changed


@pytest.mark.disruptive
def test_a_hypervisor_that_goes_into_maintenance_hands_on_its_machines(guest, site, lab):
    name, host, known = guest
    before, boot = place_of(site, name), boot_of(host)
    try:
        site.ensure("hypervisor", **site.hypervisor(before), state="maintenance")
        after = place_of(site, name)
        assert after not in ("", before), f"{name} is on {after or 'nothing'}"
        wait_for(f"{name} answers from {after}", lambda: host.run("true").rc == 0, bool, MOVED_SECONDS)
        assert boot_of(host) == boot, f"{name} was started anew instead of moved"
        cards = {each["interface"] for each in site.given["attachments"]}
        for nic in known["machine_spec"]["nics"]:
            assert on_wire(host, lab(after), nic["mac"]) - cards, f"{name} is not on the wires of {after}"
    finally:
        site.ensure("hypervisor", **site.hypervisor(before), state="up")


@pytest.mark.disruptive
def test_machines_that_belong_apart_and_are_together_are_parted(guest, site):
    """Broken on purpose: the rule comes when both run on one hypervisor already."""
    name, cluster = guest[0], site.given["cluster"]["name"]
    with engines.probe(site) as other:
        home = place_of(site, name)
        with site.engine(write=True) as engine:
            if (there := place_of(site, other)) != home:
                placement.migrate(State(engine), placement.Move(other, there, home))
        assert place_of(site, other) == home
        try:
            site.ensure("affinity_group", name=GROUP, cluster=cluster, vms=[name, other], rule="apart", enforcing=False)
            with site.engine(write=True) as engine:
                assert placement.keep(engine, cluster).changed
            assert place_of(site, name) != place_of(site, other)
        finally:
            site.remove("affinity_group", f"{cluster}/{GROUP}")


@pytest.mark.disruptive
def test_a_machine_of_somebody_else_is_not_taken_over(site, guest):
    with engines.probe(site) as other:
        spec = guest[2]["machine_spec"]
        with site.engine() as engine, pytest.raises(ovirt.LabError, match="that this site did not make"):
            ovirt.refuse_foreign(engine, other, spec, site.seen("vm")[other].values)

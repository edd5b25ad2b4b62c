"""What the router promises to its lab. Every expectation comes from the variables of role router."""

import ipaddress
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import probes
import pytest

from lab.reboots import reboot
from lab.together import each
from lab.wait import wait_for

MIRROR = "deb.debian.org"
REFUSED = "EHOSTUNREACH"
BOOT_SECONDS = 120
GUARD_TRIES = 2


@dataclass(frozen=True)
class Plug:
    """One interface of a machine in one subnet."""

    machine: str
    host: object
    leg: dict
    interface: str
    mac: str
    address: str

    def __str__(self):
        return f"{self.machine} in {self.leg['name']}"


@pytest.fixture(scope="module")
def name(members):
    return members("router")[0]


@pytest.fixture(scope="module")
def router(lab, name):
    return lab(name)


@pytest.fixture(scope="module")
def data(variables, name):
    return variables(name)


@pytest.fixture(scope="module")
def legs(data):
    return {leg["name"]: leg for leg in data["router_legs"]}


def addresses(host):
    """[(interface, mac, address)] of a machine."""
    links = json.loads(host.check_output("ip -json address show"))
    return [(link["ifname"], link["address"], info["local"]) for link in links for info in link["addr_info"] if info["family"] == "inet"]


def inside(leg, address):
    return ipaddress.ip_address(address) in ipaddress.ip_network(leg["cidr"])


def expected_legs(legs, known):
    """Where a machine is plugged in: by its cables, or, made of metal, by its address."""
    cables = (known.get("machine_spec") or {}).get("cables")
    if cables:
        return [leg for leg in legs.values() if any(cable["network"].endswith(f"-{leg['name']}") for cable in cables)]
    return [leg for leg in legs.values() if inside(leg, known["ansible_host"])]


def plugs_of(machine, host, wanted):
    """A Plug for each wanted leg, as soon as the machine has an address in all of them."""
    found = wait_for(
        f"an address for {machine} in each of {[leg['name'] for leg in wanted]}",
        lambda: addresses(host),
        lambda seen: all(any(inside(leg, address) for _, _, address in seen) for leg in wanted),
        limit_seconds=BOOT_SECONDS,
    )
    return [Plug(machine, host, leg, *one) for leg in wanted for one in found if inside(leg, one[2])]


@pytest.fixture(scope="module")
def plugs(lab, legs, members, variables):
    """All plugs of all machines but the router."""
    machines = [machine for machine in members("lab") if machine not in members("router")]
    of_each = each(lambda machine: plugs_of(machine, lab(machine), expected_legs(legs, variables(machine))), machines)
    found = [plug for plugs in of_each for plug in plugs]
    assert found, "no machine is plugged into any subnet, so nothing can be checked"
    return found


@pytest.fixture(scope="module")
def one_plug_per_leg(plugs):
    return list({plug.leg["name"]: plug for plug in reversed(plugs)}.values())


def offers(plugs):
    """(plug, who offers it what) for each leg that has a pool; in turn, for dnsmasq serves one stranger after the other."""
    return [(plug, offers_to(plug)) for plug in plugs if plug.leg["pool_from"]]


def offers_to(plug):
    """Asks again where nobody answered, for a question may be lost; a second server that answers is never asked away."""
    for _ in range(GUARD_TRIES):
        found = probes.run(plug.host, probes.GUARD, "--json", plug.interface)[plug.interface]
        if found:
            break
    return found


@pytest.fixture(scope="module", autouse=True)
def offers_in_background(one_plug_per_leg):
    """Servers take seconds to answer, so they are asked first and judged last."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(offers, one_plug_per_leg)


def test_services_run_and_are_enabled(router):
    services = ("dnsmasq", "nftables", "chrony", "systemd-networkd")
    words = " %s" * len(services)
    for question, answer in (("is-enabled", "enabled"), ("is-active", "active")):
        assert router.run(f"systemctl {question}{words}", *services).stdout.split() == [answer] * len(services), services


def test_a_reserved_address_goes_to_its_mac(plugs, data):
    reserved = {(entry["mac"].lower(), entry["address"]) for entry in data["router_reservations"]}
    for plug in plugs:
        for mac, address in reserved:
            if mac == plug.mac.lower() and inside(plug.leg, address):
                assert plug.address == address, str(plug)


def test_a_machine_without_reservation_gets_an_address_of_the_pool(plugs, data):
    known = {entry["address"] for entry in data["router_reservations"] + data["router_records"]}
    for plug in plugs:
        if plug.address not in known and plug.leg["pool_from"]:
            first, last = (ipaddress.ip_address(plug.leg[key]) for key in ("pool_from", "pool_to"))
            assert first <= ipaddress.ip_address(plug.address) <= last, str(plug)


def test_the_way_out_of_a_machine_is_the_router(plugs):
    def check(machine):
        routes = json.loads(machine.host.check_output("ip -json -4 route show default"))
        gateways = {plug.leg["address"] for plug in plugs if plug.machine == machine.machine}
        assert routes and {route["gateway"] for route in routes} <= gateways, str(machine)

    each(check, {plug.machine: plug for plug in plugs}.values())


def test_names_resolve_both_ways(one_plug_per_leg, data):
    wanted = {}
    for entry in data["router_records"] + data["router_reservations"]:
        wanted.setdefault(f"{entry['name']}.{data['router_domain']}".lower(), set()).add(entry["address"])
    every_address = {address for entry in wanted.values() for address in entry}

    def check(plug):
        found = probes.run(plug.host, probes.RESOLVE, plug.leg["address"], sorted(wanted), sorted(every_address))
        for name, expected in wanted.items():
            assert set(found[name]) == expected, f"{name} asked by {plug}"
        for address in every_address:
            owners = {name for name, expected in wanted.items() if address in expected}
            assert found[address] and {name.lower() for name in found[address]} <= owners, f"{address} asked by {plug}"

    each(check, one_plug_per_leg)


def test_names_below_a_record_that_covers_them_lead_there(one_plug_per_leg, data):
    covering = [entry for entry in data["router_records"] if entry.get("covers_below")]
    if not covering:
        pytest.skip("no record covers the names below it")
    wanted = {f"any.{entry['name']}.{data['router_domain']}".lower(): [entry["address"]] for entry in covering}

    def check(plug):
        assert probes.run(plug.host, probes.RESOLVE, plug.leg["address"], sorted(wanted), []) == wanted, str(plug)

    each(check, one_plug_per_leg)


def test_a_lease_is_a_name_too(plugs, data):
    known = {entry["address"] for entry in data["router_reservations"] + data["router_records"]}

    def check(plug):
        full = f"{plug.host.check_output('cat /etc/hostname')}.{data['router_domain']}"
        found = probes.run(plug.host, probes.RESOLVE, plug.leg["address"], [full], [plug.address])
        assert found == {full: [plug.address], plug.address: [full]}, str(plug)

    each(check, [plug for plug in plugs if plug.address not in known and plug.leg["pool_from"]])


def test_the_system_of_a_machine_uses_the_names(one_plug_per_leg, data):
    names = [f"{entry['name']}.{data['router_domain']}" for entry in data["router_records"]]
    names += [f"any.{entry['name']}.{data['router_domain']}" for entry in data["router_records"] if entry.get("covers_below")]
    command = "for name in" + " %s" * len(names) + "; do getent hosts $name >/dev/null || echo $name; done"

    def check(plug):
        unknown = plug.host.check_output(command, *names).split()
        assert not unknown, f"{unknown} on {plug}"

    each(check, one_plug_per_leg)


def test_the_internet_is_reached_only_from_subnets_that_may(one_plug_per_leg):
    def check(plug):
        (result,) = probes.connect(plug.host, (MIRROR, 80))
        assert result == ("open" if plug.leg["internet"] else REFUSED), str(plug)

    each(check, one_plug_per_leg)


def is_way_out(plug):
    """Whether what a machine sends to other subnets leaves by this plug: of several default routes, the kernel takes the cheapest."""
    routes = json.loads(plug.host.check_output("ip -json route show default"))
    return not routes or min(routes, key=lambda route: route.get("metric", 0))["dev"] == plug.interface


def paths(plugs):
    """(plug, the plugs of machines that share no subnet with it): only the router can bring them together. A machine has one way out."""
    at = {}
    for plug in plugs:
        at.setdefault(plug.machine, set()).add(plug.leg["name"])
    senders = [one for one, sends in zip(plugs, each(is_way_out, plugs), strict=True) if sends]
    return [(one, [other for other in plugs if not at[one.machine] & at[other.machine]]) for one in senders]


def test_packets_pass_between_subnets_only_where_the_policy_says(plugs):
    def check(path):
        one, others = path
        for other, passes in zip(others, probes.ping(one.host, *(other.address for other in others)), strict=True):
            assert passes == (other.leg["name"] in one.leg["reach"]), f"ping from {one} to {other}"

    each(check, paths(plugs))


def test_connections_pass_between_subnets_only_where_the_policy_says(plugs):
    def check(path):
        one, others = path
        for other, result in zip(others, probes.connect(one.host, *((other.address, 22) for other in others)), strict=True):
            if one.leg["manage"]:
                assert result == "open", f"ssh from {one} to {other}"
            elif other.leg["name"] not in one.leg["reach"]:
                assert result == REFUSED, f"ssh from {one} to {other}"

    each(check, paths(plugs))


def foreign_private_address(data):
    """A private address that is neither in the lab nor allowed beyond the uplink."""
    taken = [data["router_supernet"], *data["router_resolvers"], *data.get("router_allow_private", []), *data.get("router_manage_from", [])]
    taken += [leg["cidr"] for leg in data["router_legs"]]
    if data["router_uplink_address"] != "dhcp":
        taken.append(str(ipaddress.ip_interface(data["router_uplink_address"]).network))
    taken += [service["address"] for service in data.get("router_shared_services", [])]
    networks = [ipaddress.ip_network(entry, strict=False) for entry in taken if not entry[0].isalpha()]
    for private in ("172.16.0.0/12", "192.168.0.0/16", "10.0.0.0/8"):
        for subnet in ipaddress.ip_network(private).subnets(new_prefix=20):
            if not any(subnet.overlaps(network) for network in networks):
                return str(subnet[-2])
    raise AssertionError("the site allows every private network on its uplink")


def test_private_networks_beyond_the_uplink_are_out_of_reach(one_plug_per_leg, router, data):
    foreign = foreign_private_address(data)

    def check(plug):
        assert probes.connect(plug.host, (foreign, 80)) == [REFUSED], f"{foreign} from {plug}"

    each(check, one_plug_per_leg)
    assert probes.connect(router, (foreign, 80))[0] in (REFUSED, "EPERM"), f"{foreign} from the router itself"


def test_the_largest_packet_of_a_subnet_passes_whole(plugs):
    def check(plug):
        mtu = plug.leg["mtu"]
        seen = json.loads(plug.host.check_output("ip -json link show dev %s", plug.interface))[0]["mtu"]
        assert seen == mtu, f"{plug} has MTU {seen}, the site says {mtu}"
        done = plug.host.run("ping -c 1 -W 3 -M do -s %s %s", str(mtu - 28), plug.leg["address"])
        assert done.rc == 0, f"{plug}: {done.stdout} {done.stderr}"

    each(check, plugs)


def test_every_subnet_gets_the_time_from_the_router(one_plug_per_leg):
    def check(plug):
        return wait_for(
            f"time of the router for {plug}",
            lambda: probes.run(plug.host, probes.TIME, plug.leg["address"]),
            lambda answer: answer["leap"] != 3 and 1 <= answer["stratum"] <= 15,
            limit_seconds=60,
        )

    each(check, one_plug_per_leg)


def judge_offers(found, data):
    for plug, answers in found:
        assert [offer["server"] for offer in answers] == [plug.leg["address"]], str(plug)
        (offer,) = answers
        first, last = (ipaddress.ip_address(plug.leg[key]) for key in ("pool_from", "pool_to"))
        assert first <= ipaddress.ip_address(offer["address"]) <= last, str(plug)
        told = {key: offer[key] for key in ("router", "dns", "ntp", "mtu", "domain")}
        gateway = plug.leg["address"]
        expected = {"router": gateway, "dns": gateway, "ntp": gateway, "mtu": plug.leg["mtu"], "domain": data["router_domain"]}
        assert told == expected, str(plug)


def test_exactly_one_dhcp_server_answers_a_stranger_and_offers_what_the_site_says(offers_in_background, data):
    judge_offers(offers_in_background.result(), data)


def spoofed_packets(router):
    listing = json.loads(router.check_output("nft --json list chain inet router spoofed"))
    counters = [part["counter"] for rule in listing["nftables"] if "rule" in rule for part in rule["rule"]["expr"] if "counter" in part]
    return sum(counter["packets"] for counter in counters)


@pytest.mark.disruptive
def test_a_packet_with_the_source_of_another_subnet_is_dropped(one_plug_per_leg, legs, router):
    for plug in one_plug_per_leg:
        others = [leg for leg in legs.values() if leg["name"] != plug.leg["name"]]
        for other in others[:1]:
            lie = str(ipaddress.ip_network(other["cidr"])[-2])
            before = spoofed_packets(router)
            probes.run(plug.host, probes.SPOOF, lie, plug.leg["address"], "5")
            wait_for(
                f"5 packets dropped that {plug} sent as {lie}",
                lambda: spoofed_packets(router),
                lambda seen, was=before: seen >= was + 5,
                10,
            )


@pytest.mark.disruptive
def test_a_second_dhcp_server_makes_the_router_refuse_to_serve(plugs, router):
    plug = next(plug for plug in plugs if plug.leg["pool_from"])
    rogue = plug.host.check_output("nohup python3 -c %s %s %s 90 >/dev/null 2>&1 & echo $!", probes.ROGUE, plug.interface, plug.address)
    try:
        done = router.run("dhcp-guard %s", plug.leg["interface"])
        assert done.rc == 1
        for word in (plug.leg["interface"], plug.address, "fix:"):
            assert word in done.stderr
        assert router.run("systemctl restart dnsmasq").rc != 0
        assert not router.service("dnsmasq").is_running
    finally:
        plug.host.run("kill %s", rogue.strip())
        restarted = router.run("systemctl restart dnsmasq")
    assert restarted.rc == 0, restarted.stderr
    assert router.service("dnsmasq").is_running


@pytest.mark.disruptive
def test_everything_comes_back_when_the_router_reboots(one_plug_per_leg, plugs, router, data, name):
    reboot(router, name, BOOT_SECONDS)
    wait_for(
        "the services of the router",
        lambda: router.run("systemctl is-active dnsmasq nftables chrony").stdout.split(),
        lambda seen: seen == ["active"] * 3,
        BOOT_SECONDS,
        where=name,
    )
    test_services_run_and_are_enabled(router)
    judge_offers(offers(one_plug_per_leg), data)
    test_the_internet_is_reached_only_from_subnets_that_may(one_plug_per_leg)
    test_packets_pass_between_subnets_only_where_the_policy_says(plugs)
    test_every_subnet_gets_the_time_from_the_router(one_plug_per_leg)

"""Valid sites, mutated: the answer is a site or a SiteError, never anything else, and no accepted site has addresses that collide."""

import copy
import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.errors import SiteError
from lab.site import Site, load

VALID = sorted((Path(__file__).parent / "sites/valid").glob("*.yml"))
TEXTS = [file.read_text() for file in VALID]
SMALL = (Path(__file__).parent / "sites/valid/small.yml").read_text()
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 300),
    st.just(10**40),
    st.floats(),
    st.text(max_size=8),
    st.just([]),
    st.just({}),
    st.sampled_from(
        ["10.64.10.11", "10.64.20.0/24", "10.64.0.0/16", "0.0.0.5", "255.255.255.255/32", "0.0.0.0/0", "dhcp", "storage", "gate", "metal"]
    ),
)
COMMON = settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path in nested data."""
    children = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [*([path] if path else []), *(place for key, value in children for place in places(value, (*path, key)))]


def at(data: Any, path: tuple[Any, ...]) -> Any:
    """What is at a path."""
    for key in path:
        data = data[key]
    return data


def verdict(text: str) -> Site | None:
    """The site, or None if it was refused with problems that all name a line of the file."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "site.yml"
        file.write_text(text, encoding="utf-8", errors="surrogatepass")
        try:
            return load(file)
        except SiteError as error:
            assert error.problems
            assert all(1 <= problem.line <= text.count("\n") + 2 and problem.message for problem in error.problems)
            return None


def assert_nothing_collides(site: Site) -> None:
    """What must hold of every accepted site, computed without the code under test."""
    subnets = site.network.subnets
    ranges = sorted(subnet.cidr for subnet in subnets.values())
    assert all(one.broadcast_address < other.network_address for one, other in pairwise(ranges))
    assert all(one.subnet_of(site.network.supernet) for one in ranges)
    owned = [(subnet.gateway, subnet.name) for subnet in subnets.values()]
    owned += [(interface.address, name) for machine in site.machines.values() for name, interface in machine.interfaces.items()]
    owned += [(item.address, item.subnet) for item in site.network.reservations]
    owned += [(item.address, item.subnet or "") for item in site.network.records if item.machine is None]
    assert max(Counter(address for address, _ in owned).values()) == 1
    assert max(Counter(machine.address for machine in site.machines.values()).values()) == 1
    for address, name in owned:
        assert not name or address in subnets[name].cidr
        for subnet in subnets.values():
            assert subnet.dhcp is None or not subnet.dhcp.from_ <= address <= subnet.dhcp.to
            assert address not in (subnet.cidr.network_address, subnet.cidr.broadcast_address)
    macs = [interface.mac for machine in site.machines.values() for interface in machine.interfaces.values() if interface.mac]
    macs += [item.mac for item in site.network.reservations]
    assert len(macs) == len(set(macs))
    assert [name for name, machine in site.machines.items() if "router" in machine.groups] == [site.network.router]


@COMMON
@given(data=st.data())
def test_a_mutated_site_is_accepted_without_collisions_or_refused_with_problems(data: st.DataObject) -> None:
    site = yaml.safe_load(data.draw(st.sampled_from(TEXTS)))
    for _ in range(data.draw(st.integers(1, 3))):
        all_places = places(site)
        path = data.draw(st.sampled_from(all_places))
        parent, key = at(site, path[:-1]), path[-1]
        action = data.draw(st.sampled_from(["replace", "swap", "remove", "rename", "copy"]))
        if action == "remove":
            del parent[key]
        elif action == "rename" and isinstance(parent, dict):
            parent[data.draw(st.one_of(st.text(max_size=6), st.sampled_from(["storage", "uplink", "host", "size"])))] = parent.pop(key)
        elif action == "copy" and isinstance(parent, dict):
            parent[f"{key}2"] = copy.deepcopy(parent[key])
        elif action == "swap":
            parent[key] = copy.deepcopy(at(site, data.draw(st.sampled_from(all_places))))
        else:
            parent[key] = data.draw(JUNK)
        if not places(site):
            break
    accepted = verdict(yaml.safe_dump(site, sort_keys=False, allow_unicode=True))
    if accepted is not None:
        assert_nothing_collides(accepted)


@COMMON
@given(data=st.data())
def test_moved_addresses_never_collide_in_an_accepted_site(data: st.DataObject) -> None:
    """Only numbers and ranges change, all to plausible values, so that many of the sites are accepted."""
    site = yaml.safe_load(SMALL)
    numbers = st.integers(1, 12)
    ranges = st.sampled_from(["10.64.10.0/24", "10.64.10.0/28", "10.64.10.8/29", "10.64.20.0/24", "10.64.216.0/24"])
    subnets = site["network"]["subnets"]
    for name in data.draw(st.lists(st.sampled_from(["management", "storage"]), max_size=2)):
        subnets[name]["cidr"] = data.draw(ranges)
    subnets["management"]["dhcp"] = data.draw(
        st.one_of(st.just({"from": 13, "to": 14}), st.fixed_dictionaries({"from": numbers, "to": numbers}))
    )
    if data.draw(st.booleans()):
        subnets["storage"]["gateway"] = data.draw(numbers)
    if data.draw(st.booleans()):
        subnets[data.draw(st.sampled_from(["isolated", "camera"]))] = {"size": data.draw(st.integers(23, 30))}
    site["machines"]["admin"]["interfaces"]["management"] = {"host": data.draw(numbers)}
    site["machines"]["disk"]["interfaces"]["storage"] = {"address": f"10.64.20.{data.draw(numbers)}"}
    site["machines"]["disk"]["interfaces"]["management"] = {"host": data.draw(numbers)}
    mac = f"52:54:00:00:00:0{data.draw(st.integers(1, 2))}"
    site["machines"]["disk"]["interfaces"]["management"]["mac"] = "52:54:00:00:00:01"
    site["network"]["reservations"] = [{"name": "printer", "subnet": "management", "mac": mac, "host": data.draw(numbers)}]
    site["network"]["records"] = [{"name": "www", "address": f"10.64.{data.draw(st.sampled_from([10, 20]))}.{data.draw(numbers)}"}]
    accepted = verdict(yaml.safe_dump(site, sort_keys=False))
    if accepted is not None:
        assert_nothing_collides(accepted)


@COMMON
@given(text=st.sampled_from(TEXTS), data=st.data())
def test_damaged_text_is_accepted_or_refused_but_never_a_traceback(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = min(len(text), start + data.draw(st.integers(0, 12)))
    accepted = verdict(text[:start] + data.draw(st.text(max_size=5)) + text[end:])
    if accepted is not None:
        assert_nothing_collides(accepted)

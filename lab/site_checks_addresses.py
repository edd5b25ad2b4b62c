"""Checks of ranges and addresses of a whole site: who has which, and where two meet."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import TYPE_CHECKING

from lab import addressing
from lab.site_checks import Check, Finding
from lab.site_yaml import Location

if TYPE_CHECKING:
    from lab.site import Site, Subnet


@dataclass(frozen=True)
class Claim:
    """Someone's claim to an address; `subnet` is where it has to be, if it has to be in a certain one."""

    location: Location
    owner: str
    address: IPv4Address
    subnet: str | None


def claims(site: Site) -> Iterator[Claim]:
    """Everyone who has a fixed address, ours first. Unknown subnets are another check's business."""
    subnets = site.network.subnets
    for name, subnet in subnets.items():
        yield Claim(("network", "subnets", name, "gateway"), f"the gateway of {name}", subnet.gateway, name)
    for name, machine in site.machines.items():
        for other, interface in machine.interfaces.items():
            if other in subnets and name != site.network.router:
                key = "host" if interface.host else "address"
                yield Claim(("machines", name, "interfaces", other, key), f"machine {name}", interface.address, other)
    for index, reservation in enumerate(site.network.reservations):
        if reservation.subnet in subnets:
            key = "host" if reservation.host else "address"
            yield Claim(("network", "reservations", index, key), f"reservation {reservation.name}", reservation.address, reservation.subnet)
    for index, record in enumerate(site.network.records):
        if record.machine is None and (record.subnet is None or record.subnet in subnets):
            key = "host" if record.host else "address"
            yield Claim(("network", "records", index, key), f"record {record.name}", record.address, record.subnet)


def uplink_network(site: Site) -> IPv4Network | None:
    """The network outside, where it is known."""
    address = site.network.uplink.address
    return address.network if isinstance(address, IPv4Interface) else None


def subnets_fit_the_supernet(site: Site) -> Iterator[Finding]:
    """Subnets are parts of the supernet."""
    supernet = site.network.supernet
    for name, subnet in site.network.subnets.items():
        if subnet.size is not None and subnet.size <= supernet.prefixlen:
            message = f"a range of size /{subnet.size} does not fit into the supernet {supernet}"
            yield Finding(("network", "subnets", name, "size"), message, f"at least {min(supernet.prefixlen + 1, 30)}")
        elif subnet.size is None and not subnet.cidr.subnet_of(supernet):
            free = _next_free(site, subnet.cidr.prefixlen, _taken(site))
            yield Finding(("network", "subnets", name, "cidr"), f"{subnet.cidr} lies outside the supernet {supernet}", _range_fix(free))


def subnets_have_room(site: Site) -> Iterator[Finding]:
    """A subnet has room for its gateway and a machine."""
    for name, subnet in site.network.subnets.items():
        if subnet.cidr.prefixlen > 30:
            yield Finding(("network", "subnets", name, "cidr"), f"{subnet.cidr} is too small for a gateway and a machine", "at least a /30")


def subnets_do_not_overlap(site: Site) -> Iterator[Finding]:
    """Subnets share no address. A carved range that meets another is refused too: moving it would renumber its machines."""
    order = {name: index for index, name in enumerate(site.network.subnets)}
    taken = _taken(site)
    widest: Subnet | None = None
    for subnet in sorted(_inside(site), key=lambda subnet: (subnet.cidr.network_address, subnet.cidr.prefixlen, order[subnet.name])):
        if widest is not None and subnet.cidr.network_address <= widest.cidr.broadcast_address:
            earlier, later = sorted((widest, subnet), key=lambda subnet: order[subnet.name])
            free = _next_free(site, later.cidr.prefixlen, taken)
            if free is not None:
                taken.append(free)
            yield _overlap(earlier, later, free)
        if widest is None or subnet.cidr.broadcast_address > widest.cidr.broadcast_address:
            widest = subnet


def _overlap(earlier: Subnet, later: Subnet, free: IPv4Network | None) -> Finding:
    if later.size is None:
        message = f"{later.cidr} overlaps {earlier.name} ({earlier.cidr})"
        return Finding(("network", "subnets", later.name, "cidr"), message, _range_fix(free))
    message = f"the range carved for {later.name}, {later.cidr}, meets {earlier.name} ({earlier.cidr})"
    fix = f"replace size: {later.size} by cidr: {free}" if free else ""
    return Finding(("network", "subnets", later.name, "size"), message, fix)


def uplink_is_outside(site: Site) -> Iterator[Finding]:
    """Inside and outside share no address, or the router could not tell them apart."""
    network = uplink_network(site)
    if network is not None and network.overlaps(site.network.supernet):
        message = f"{site.network.supernet} overlaps the uplink's network {network}"
        yield Finding(("network", "supernet"), message, _other_supernet(site.network.supernet, network))


def _other_supernet(supernet: IPv4Network, uplink: IPv4Network) -> str:
    private = IPv4Network("10.0.0.0/8")
    free = addressing.next_free(private, supernet.prefixlen, [uplink, supernet])
    return f"a free one is {free}" if free else ""


def package_cache_has_an_address(site: Site) -> Iterator[Finding]:
    """The package cache of the container platform has the last address of the uplink's network to itself."""
    uplink = site.network.uplink
    if not site.platforms.container.apt_cache or not isinstance(uplink.address, IPv4Interface):
        return
    network = uplink.address.network
    last = network.broadcast_address - 1
    for key, address in (("address", uplink.address.ip), ("gateway", uplink.gateway)):
        if address == last:
            free = addressing.free_address(network, {uplink.address.ip, uplink.gateway or last, last}, None)
            fix = f"a free one is {free}" if free else "make the network larger, or remove apt_cache"
            yield Finding(("network", "uplink", key), f"{last} is for the package cache (platforms.container.apt_cache)", fix)


def addresses_are_inside(site: Site) -> Iterator[Finding]:
    """Whoever has an address in a subnet has one that a machine can have there."""
    for claim in claims(site):
        if claim.subnet is not None:
            subnet = site.network.subnets[claim.subnet]
            if subnet.cidr.prefixlen <= 30 and not addressing.is_usable(subnet.cidr, claim.address):
                yield Finding(claim.location, f"{claim.address} of {claim.owner} {_where(subnet, claim.address)}", _host_range(subnet))


def _where(subnet: Subnet, address: IPv4Address) -> str:
    if address == subnet.cidr.network_address:
        return f"is the address of network {subnet.name} itself"
    if address == subnet.cidr.broadcast_address:
        return f"is the broadcast address of {subnet.name} ({subnet.cidr})"
    return f"lies outside {subnet.name} ({subnet.cidr})"


def _host_range(subnet: Subnet) -> str:
    first, last = subnet.cidr.network_address + 1, subnet.cidr.broadcast_address - 1
    return f"{first} to {last}, which is host 1 to {addressing.host_number(subnet.cidr, last)}"


def addresses_have_one_owner(site: Site) -> Iterator[Finding]:
    """No address belongs to two."""
    everyone = list(claims(site))
    taken = {claim.address for claim in everyone}
    owners: dict[IPv4Address, Claim] = {}
    for claim in everyone:
        first = owners.setdefault(claim.address, claim)
        if first is claim or (claim.subnet and first.subnet and claim.subnet != first.subnet):
            continue  # of two subnets: either those overlap or one address is outside, which is the cause and is reported
        message = f"{claim.address} of {claim.owner} belongs to {first.owner} already"
        yield Finding(claim.location, message, _owner_fix(site, claim, first, taken))


def _owner_fix(site: Site, claim: Claim, first: Claim, taken: set[IPv4Address]) -> str:
    subnet = site.network.subnets.get(claim.subnet or first.subnet or "")
    if claim.subnet is None and first.owner.startswith("machine"):
        return f"a further name of it is written as {{name: ..., {first.owner.replace(' ', ': ')}}}"
    if subnet is None:
        return ""
    free = addressing.free_address(subnet.cidr, taken, _pool(subnet))
    if free is None:
        return f"{subnet.name} ({subnet.cidr}) has no free address: make it larger"
    taken.add(free)
    return f"a free one is {free} (host: {addressing.host_number(subnet.cidr, free)})"


def machines_are_reached_apart(site: Site) -> Iterator[Finding]:
    """The controller reaches no two machines at one address."""
    owners: dict[IPv4Address, str] = {}
    for name, machine in site.machines.items():
        if machine.address is None or owners.setdefault(machine.address, name) == name:
            continue
        first = owners[machine.address]
        for one, other in ((name, first), (first, name)):  # two addresses of interfaces are another check's business
            platform = site.machines[one].platform
            if platform.kind == "metal" and platform.address is not None:
                location = ("machines", one, "platform", "address")
                yield Finding(location, f"{machine.address} is where {other} is reached", "every machine has an address of its own")
                break


def record_addresses_exist(site: Site) -> Iterator[Finding]:
    """A record of an address in the supernet is of one in a subnet."""
    subnets = sorted(_inside(site), key=lambda subnet: subnet.cidr)
    starts = [subnet.cidr.network_address for subnet in subnets]
    for index, record in enumerate(site.network.records):
        if record.host is not None or record.machine is not None or record.address not in site.network.supernet:
            continue
        position = bisect.bisect_right(starts, record.address) - 1
        if position < 0 or not addressing.is_usable(subnets[position].cidr, record.address):
            message = f"{record.address} is in the supernet, but no machine of any subnet can have it"
            yield Finding(("network", "records", index, "address"), message, "write it as subnet and host")


def pools_are_ranges(site: Site) -> Iterator[Finding]:
    """A pool is a part of its subnet, and leaves some of it to fixed addresses."""
    for name, subnet in site.network.subnets.items():
        if subnet.dhcp is None or subnet.cidr.prefixlen > 30:
            continue
        location = ("network", "subnets", name, "dhcp")
        first, last = subnet.dhcp.from_, subnet.dhcp.to
        outside = [(key, address) for key, address in (("from", first), ("to", last)) if not addressing.is_usable(subnet.cidr, address)]
        for key, address in outside:
            yield Finding((*location, key), f"{address} {_where(subnet, address)}", _host_range(subnet))
        if outside:
            continue
        if first > last:
            yield Finding(location, f"the pool runs backwards, from {first} to {last}", "swap from and to")
        elif int(last) - int(first) + 1 >= subnet.cidr.num_addresses - 3:
            message = f"the pool takes the whole subnet {subnet.cidr} and leaves no fixed address"
            yield Finding(location, message, _half_pool(subnet))


def _half_pool(subnet: Subnet) -> str:
    count = subnet.cidr.num_addresses
    return f"{{from: {count // 2}, to: {count - 2}}}" if count >= 8 else "remove dhcp, the subnet is too small for a pool"


def pools_hold_no_fixed_address(site: Site) -> Iterator[Finding]:
    """DHCP gives nobody's address away."""
    ranges = sorted((*pool, name) for name, subnet in site.network.subnets.items() if (pool := _pool(subnet)))
    starts = [first for first, _, _ in ranges]
    everyone = list(claims(site))
    taken = {claim.address for claim in everyone}
    for claim in everyone:
        position = bisect.bisect_right(starts, claim.address) - 1
        if position < 0 or claim.address > ranges[position][1]:
            continue
        first, last, name = ranges[position]
        if claim.subnet not in (None, name):
            continue  # the subnets overlap, which is the cause and is reported
        subnet = site.network.subnets[name]
        free = addressing.free_address(subnet.cidr, taken, (first, last))
        if free is not None:
            taken.add(free)
        fix = f"{free} is free (host: {addressing.host_number(subnet.cidr, free)})" if free else "make the pool smaller"
        yield Finding(claim.location, f"{claim.address} of {claim.owner} is in the DHCP pool of {name} ({first} to {last})", fix)


def _pool(subnet: Subnet) -> tuple[IPv4Address, IPv4Address] | None:
    """The pool of a subnet, if it is one that can be."""
    if subnet.dhcp is None or subnet.dhcp.from_ > subnet.dhcp.to:
        return None
    first, last = subnet.dhcp.from_, subnet.dhcp.to
    whole = int(last) - int(first) + 1 >= subnet.cidr.num_addresses - 3
    return None if whole or first not in subnet.cidr or last not in subnet.cidr else (first, last)


def _inside(site: Site) -> list[Subnet]:
    """The subnets that are where they have to be; the others are reported by `subnets_fit_the_supernet` alone."""
    supernet = site.network.supernet
    subnets = site.network.subnets.values()
    return [subnet for subnet in subnets if subnet.cidr.subnet_of(supernet) and (subnet.size is None or subnet.size > supernet.prefixlen)]


def _taken(site: Site) -> list[IPv4Network]:
    uplink = uplink_network(site)
    return [subnet.cidr for subnet in _inside(site)] + ([uplink] if uplink else [])


def _next_free(site: Site, size: int, taken: list[IPv4Network]) -> IPv4Network | None:
    return addressing.next_free(site.network.supernet, size, taken)


def _range_fix(free: IPv4Network | None) -> str:
    return f"next free range: {free}" if free else "the supernet has no free range of this size"


CHECKS: tuple[Check, ...] = (
    subnets_fit_the_supernet,
    subnets_have_room,
    subnets_do_not_overlap,
    uplink_is_outside,
    package_cache_has_an_address,
    addresses_are_inside,
    addresses_have_one_owner,
    machines_are_reached_apart,
    record_addresses_exist,
    pools_are_ranges,
    pools_hold_no_fixed_address,
)

"""Addresses from names and numbers: pure functions, and `resolve`, which fills in what a site leaves to be derived.

A derived value depends on the thing's own name and on nothing beside it, so that adding one never renumbers another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.site import Network, Record, Reservation, Site, Subnet
    from lab.site_machines import Interface, Machine

_LAST = 2**32 - 1
_HOST_NUMBERS = 2**24  # a host number travels as an address of 0.0.0.0/8, which no machine can have


def stable_hash(text: str) -> int:
    """A number for a text that is the same on every machine and in every run (the built-in hash is not)."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def carve(supernet: IPv4Network, size: int, name: str) -> IPv4Network:
    """The range of prefix length `size` that belongs to `name`; the whole supernet if that is no larger."""
    if size <= supernet.prefixlen:
        return supernet
    slot = stable_hash(name) % 2 ** (size - supernet.prefixlen)
    return IPv4Network((int(supernet.network_address) + slot * 2 ** (32 - size), size))


def next_free(supernet: IPv4Network, size: int, taken: Iterable[IPv4Network]) -> IPv4Network | None:
    """The lowest range of prefix length `size` in the supernet that meets none of the taken ones."""
    if size < supernet.prefixlen:
        return None
    step = 2 ** (32 - size)
    start = int(supernet.network_address)
    for network in sorted(taken):
        first, last = int(network.network_address), int(network.broadcast_address)
        if first >= start + step:
            break
        if last >= start:
            start = (last // step + 1) * step
    if start + step - 1 > int(supernet.broadcast_address):
        return None
    return IPv4Network((start, size))


def host_address(network: IPv4Network, number: int) -> IPv4Address:
    """Address number `number` of a network. It may lie outside: that is for a check to say, with a name to it."""
    return IPv4Address(min(int(network.network_address) + number, _LAST))


def host_number(network: IPv4Network, address: IPv4Address) -> int:
    """The other way round: which number of the network an address is."""
    return int(address) - int(network.network_address)


def is_usable(network: IPv4Network, address: IPv4Address) -> bool:
    """Whether a machine may have the address: inside, and neither the network's own nor the broadcast address."""
    return network.network_address < address < network.broadcast_address


def placed(network: IPv4Network, value: IPv4Address) -> IPv4Address:
    """A host number (which travels as 0.0.0.N) made an address of the network; an address stays itself."""
    return host_address(network, int(value)) if int(value) < _HOST_NUMBERS else value


def free_address(network: IPv4Network, taken: Container[IPv4Address], pool: tuple[IPv4Address, IPv4Address] | None) -> IPv4Address | None:
    """The lowest usable address that nobody has and no pool hands out."""
    number = int(network.network_address) + 1
    while number < int(network.broadcast_address):
        address = IPv4Address(number)
        if pool and pool[0] <= address <= pool[1]:
            number = int(pool[1]) + 1
        elif address in taken:
            number += 1
        else:
            return address
    return None


def derived_mac(taken: Container[str], *names: str) -> str:
    """A MAC address from names. In the one case of a million that another has it, the next one in a fixed sequence."""
    attempt = 0
    while True:
        digest = stable_hash("/".join((*names, str(attempt)) if attempt else names)) % 2**24
        mac = "52:54:00:" + ":".join(f"{byte:02x}" for byte in digest.to_bytes(3, "big"))
        if mac not in taken:
            return mac
        attempt += 1


def resolve(site: Site) -> Site:
    """The site with every derived value filled in. What cannot be derived is left out and is for a check to report."""
    subnets = {name: _subnet(subnet, site.network) for name, subnet in site.network.subnets.items()}
    uplink = site.network.uplink
    if uplink.gateway is not None and not uplink.resolvers:
        uplink = uplink.model_copy(update={"resolvers": (uplink.gateway,)})
    machines = _machines(site, subnets)
    network = site.network.model_copy(
        update={
            "subnets": subnets,
            "uplink": uplink,
            "reservations": tuple(_reservation(item, subnets) for item in site.network.reservations),
            "records": tuple(_record(item, subnets, machines, site.network.router) for item in site.network.records),
        }
    )
    return site.model_copy(update={"network": network, "machines": machines})


def _subnet(subnet: Subnet, network: Network) -> Subnet:
    cidr = subnet.cidr if subnet.size is None else carve(network.supernet, subnet.size, subnet.name)
    update: dict[str, object] = {"cidr": cidr, "gateway": placed(cidr, subnet.gateway or IPv4Address(1))}
    if subnet.dhcp is not None:
        update["dhcp"] = subnet.dhcp.model_copy(update={"from_": placed(cidr, subnet.dhcp.from_), "to": placed(cidr, subnet.dhcp.to)})
    return subnet.model_copy(update=update)


def _machines(site: Site, subnets: dict[str, Subnet]) -> dict[str, Machine]:
    macs = {interface.mac for machine in site.machines.values() for interface in machine.interfaces.values() if interface.mac}
    macs.update(reservation.mac for reservation in site.network.reservations)
    resolved = {}
    for name, machine in site.machines.items():
        interfaces = {}
        for subnet, interface in machine.interfaces.items():
            interfaces[subnet] = _interface(interface, machine, subnets.get(subnet), macs, site.name)
        machine = machine.model_copy(update={"interfaces": interfaces})
        machine._address = _reachable(machine, interfaces, site)
        resolved[name] = machine
    return resolved


def _interface(interface: Interface, machine: Machine, subnet: Subnet | None, macs: set[str], site: str) -> Interface:
    update: dict[str, object] = {}
    if subnet is not None and interface.host is not None:
        update["address"] = host_address(subnet.cidr, interface.host)
    if machine.platform.kind != "metal":
        update["interface"] = interface.interface or _card(machine, interface)
        if interface.mac is None:
            update["mac"] = mac = derived_mac(macs, site, machine.name, interface.subnet)
            macs.add(mac)
    return interface.model_copy(update=update)


def _card(machine: Machine, interface: Interface) -> str:
    """What a card is called: an engine tells a guest no MAC to find it by, so on oVirt it is named by its place, as the image does."""
    if machine.platform.kind == "ovirt":
        return f"eth{list(machine.interfaces).index(interface.subnet)}"
    return interface.subnet


def _reachable(machine: Machine, interfaces: dict[str, Interface], site: Site) -> IPv4Address | None:
    """Where the controller reaches a machine: as its platform says, a router at its uplink, others at their first interface."""
    if machine.platform.kind == "metal" and machine.platform.address is not None:
        return machine.platform.address
    if interfaces:
        return next(iter(interfaces.values())).address
    uplink = site.network.uplink.address
    return uplink.ip if machine.name == site.network.router and uplink != "dhcp" else None


def _reservation(reservation: Reservation, subnets: dict[str, Subnet]) -> Reservation:
    subnet = subnets.get(reservation.subnet)
    if subnet is None or reservation.host is None:
        return reservation
    return reservation.model_copy(update={"address": host_address(subnet.cidr, reservation.host)})


def _record(record: Record, subnets: dict[str, Subnet], machines: dict[str, Machine], router: str) -> Record:
    address: IPv4Address | None = record.address
    if record.subnet in subnets and record.host is not None:
        address = host_address(subnets[record.subnet].cidr, record.host)
    elif record.machine == router and subnets:
        address = next(iter(subnets.values())).gateway  # the lab knows its router by its first leg, not by its uplink
    elif record.machine in machines and machines[record.machine].interfaces:
        address = next(iter(machines[record.machine].interfaces.values())).address
    return record.model_copy(update={"address": address})

"""Role router."""

from __future__ import annotations

from ipaddress import IPv4Address

from lab.inventory import openstack
from lab.inventory.common import APT_CACHE, Variables, apt_cache, leg_name
from lab.site import Site


def router(site: Site) -> Variables:
    """Role router."""
    network, ours = site.network, site.network.uplink
    is_container = site.machines[network.router].platform.kind == "container"
    return {
        "router_domain": site.domain,
        "router_supernet": str(network.supernet),
        "router_uplink_interface": ours.interface,
        "router_uplink_address": str(ours.address),
        "router_uplink_gateway": str(ours.gateway or ""),
        "router_uplink_managed": not is_container,
        "router_resolvers": [str(address) for address in ours.resolvers],
        "router_trunk": network.trunk or "",
        "router_manage_from": [str(cidr) for cidr in ours.manage_from],
        "router_allow_private": [str(cidr) for cidr in ours.allow_private] + private_servers(site),
        "router_shared_services": shared_services(site),
        "router_legs": legs(site),
        "router_reservations": reservations(site),
        "router_records": records(site),
        "router_zones": openstack.zones(site),
    }


def private_servers(site: Site) -> list[str]:
    """Upstream time servers given by a private address; those given by name are taken to be outside."""
    addresses = [server for server in map(str, site.network.uplink.ntp_servers) if server.replace(".", "").isdigit()]
    return [f"{address}/32" for address in addresses if IPv4Address(address).is_private]


def shared_services(site: Site) -> list[Variables]:
    """What also subnets without internet may use on the uplink: the platform's package cache, so that they can be installed."""
    if not apt_cache(site):
        return []
    return [{"comment": "package cache", "address": apt_cache(site), "protocol": "tcp", "port": APT_CACHE}]


def legs(site: Site) -> list[Variables]:
    """The router's legs; a VLAN on the trunk where there is one, else an interface named like the subnet."""
    return [
        {
            "name": name,
            "interface": name,
            "cidr": str(subnet.cidr),
            "address": str(subnet.gateway),
            "prefix": subnet.cidr.prefixlen,
            "mtu": subnet.mtu,
            "vlan": (subnet.vlan or 0) if site.network.trunk else 0,
            "pool_from": str(subnet.dhcp.from_) if subnet.dhcp else "",
            "pool_to": str(subnet.dhcp.to) if subnet.dhcp else "",
            "internet": subnet.internet,
            "reach": list(subnet.reach),
            "manage": subnet.manage,
        }
        for name, subnet in site.network.subnets.items()
    ]


def reservations(site: Site) -> list[Variables]:
    """Addresses by MAC: machines that have one, and other devices."""
    machines = [
        {"name": leg_name(site, name, subnet), "mac": str(interface.mac), "address": str(interface.address)}
        for name, machine in site.machines.items()
        for subnet, interface in machine.interfaces.items()
        if interface.mac
    ]
    return machines + [{"name": item.name, "mac": str(item.mac), "address": str(item.address)} for item in site.network.reservations]


def records(site: Site) -> list[Variables]:
    """Names without a reservation: the router itself, machines with an address of their own, and the site's records."""
    first = next(iter(site.network.subnets.values()))
    own = [{"name": site.network.router, "address": str(first.gateway)}]
    static = [
        {"name": leg_name(site, name, subnet), "address": str(interface.address)}
        for name, machine in site.machines.items()
        for subnet, interface in machine.interfaces.items()
        if not interface.mac
    ]
    further = [
        {"name": record.name, "address": str(record.address)} | ({"covers_below": True} if record.covers_below else {})
        for record in site.network.records
    ]
    return own + static + further

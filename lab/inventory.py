"""Site -> groups, machines and role variables, in the shape of `ansible-inventory --list`. Pure: one function per role.

Roles see nothing but these variables; `ansible-inventory -i inventories/SITE/site.yml --host NAME` shows them resolved.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from lab.errors import InputError
from lab.site import Site
from lab.site_fields import GROUPS

PROJECT = Path(__file__).parent.parent
ROUTER_STRATUM = 10  # chrony's own example for a server that follows nobody (chrony.conf(5), `local`)
DNS, DHCP, NTP, APT_CACHE = 53, 67, 123, 3142

Variables = dict[str, Any]


def build(site: Site, secrets: Mapping[str, str]) -> dict[str, Any]:
    """The whole inventory.

    Raises InputError naming a secret the site uses that `secrets` does not have.
    """
    names = list(site.machines)
    kinds = {"container", "metal"}
    groups = {group: [name for name in names if group in site.machines[name].groups] for group in GROUPS}
    groups |= {f"platform_{kind}": [name for name in names if site.machines[name].platform.kind == kind] for kind in sorted(kinds)}
    common = {"baseline_users": users(site, secrets), **shared(site)}
    hosts = {name: {**common, **machine_variables(site, name)} for name in names}
    inventory: dict[str, Any] = {group: {"hosts": members} for group, members in groups.items()}
    inventory["lab"] = {"hosts": names}
    inventory["all"] = {"children": ["ungrouped", "lab", *groups]}
    inventory["_meta"] = {"hostvars": hosts}
    return inventory


def machine_variables(site: Site, name: str) -> Variables:
    """Everything one machine's roles see, but for what all machines share."""
    is_router = name == site.network.router
    variables = {**connection(site, name), **machine(site, name), **baseline(site, name)}
    return {**variables, **router(site)} if is_router else variables


def connection(site: Site, name: str) -> Variables:
    """How Ansible gets there. Host keys of containers are read from the platform, so none is ever taken from the wire."""
    checking = "yes" if site.machines[name].platform.kind == "container" else "accept-new"
    return {
        "ansible_host": str(site.machines[name].address),
        "ansible_connection": "ssh",
        "ansible_user": site.access.user,
        "ansible_ssh_private_key_file": str(site.private_key),
        "ansible_ssh_common_args": f"-o IdentitiesOnly=yes -o StrictHostKeyChecking={checking} -o UserKnownHostsFile={known_hosts(site)}",
        "ansible_python_interpreter": "/usr/bin/python3",
    }


def known_hosts(site: Site) -> Path:
    """The site's own file of host keys."""
    return site.artifacts / "ssh" / "known_hosts"


def machine(site: Site, name: str) -> Variables:
    """Role machine."""
    return {
        "machine_name": name,
        "machine_platform": site.machines[name].platform.kind,
        "machine_project": str(PROJECT),
        "machine_known_hosts": str(known_hosts(site)),
        "machine_spec": machine_spec(site, name),
    }


def machine_spec(site: Site, name: str) -> Variables:
    """What the machine's platform has to know (lab/platforms)."""
    if site.machines[name].platform.kind == "metal":
        return {"address": str(site.machines[name].address)}
    options = site.platforms.container
    return {
        "container": f"{site.name}-{name}",
        "hostname": name,
        "address": str(site.machines[name].address),
        "image_suite": options.suite,
        "public_key_file": f"{site.private_key}.pub",
        "cables": router_cables(site) if name == site.network.router else cables(site, name),
        "uplink": uplink(site) if name == site.network.router else None,
    }


def cable(site: Site, subnet: str, interface: str, mac: str) -> Variables:
    """One plug in the bridge of a subnet."""
    return {"network": f"{site.name}-{subnet}", "interface": interface, "mac": mac, "bridge_mtu": site.network.subnets[subnet].mtu}


def cables(site: Site, name: str) -> list[Variables]:
    """A machine's plugs."""
    found = site.machines[name].interfaces.items()
    return [cable(site, subnet, interface.interface, str(interface.mac)) for subnet, interface in found]


def router_cables(site: Site) -> list[Variables]:
    """One plug in every subnet; the gateway address makes the MAC unique."""
    return [cable(site, name, name, "52:54:" + subnet.gateway.packed.hex(":")) for name, subnet in site.network.subnets.items()]


def uplink(site: Site) -> Variables:
    """The provider's side of the router, as the container platform plays it."""
    ours = site.network.uplink
    assert ours.address != "dhcp"  # noqa: S101 - refused by load: a container router needs a static uplink
    return {
        "network": f"{site.name}-uplink",
        "interface": ours.interface,
        "cidr": str(ours.address.network),
        "address": str(ours.address.ip),
        "gateway": str(ours.gateway),
        "supernet": str(site.network.supernet),
        "routes": [str(subnet.cidr) for subnet in site.network.subnets.values()],
        "apt_cache": apt_cache(site) and {"container": f"{site.name}-apt-cache", "address": apt_cache(site), "port": APT_CACHE},
    }


def apt_cache(site: Site) -> str:
    """The address of the platform's package cache on the uplink, the last one of it; empty where there is none."""
    address = site.network.uplink.address
    if address == "dhcp" or not site.platforms.container.apt_cache:
        return ""
    return str(address.network.broadcast_address - 1)


def apt_proxy(site: Site) -> str:
    """Where machines fetch packages; empty for straight from the mirror."""
    if site.apt.proxy:
        return str(site.apt.proxy)
    return f"http://{apt_cache(site)}:{APT_CACHE}" if apt_cache(site) else ""


def users(site: Site, secrets: Mapping[str, str]) -> list[Variables]:
    """The administrators with their passwords; an empty one is a locked password."""
    return [
        {
            "name": user.name,
            "authorized_keys": list(user.authorized_keys),
            "password": secret(site, secrets, user.password.secret) if user.password else "",
        }
        for user in site.users
    ]


def secret(site: Site, secrets: Mapping[str, str], name: str) -> str:
    """One secret's value, or InputError naming it and its file."""
    if name not in secrets:
        how = "./inv up makes it" if site.secrets == "generated" else "write it there, mode 0600"
        raise InputError(f"{site.directory / 'secrets.yml'}: {name} is missing; fix: {how}")
    return secrets[name]


def managers(site: Site) -> list[str]:
    """Ranges that may log in to every machine."""
    inside = [str(subnet.cidr) for subnet in site.network.subnets.values() if subnet.manage]
    return inside + [str(cidr) for cidr in site.network.uplink.manage_from]


def shared(site: Site) -> Variables:
    """What role baseline sees alike on every machine."""
    return {
        "baseline_domain": site.domain,
        "baseline_timezone": site.timezone,
        "baseline_apt_proxy": apt_proxy(site),
        "baseline_ssh_from": managers(site),
        "baseline_manage_network": False,
    }


def baseline(site: Site, name: str) -> Variables:
    """Role baseline: the router serves names, addresses and time; everyone else takes its time from the router."""
    cidrs = [str(subnet.cidr) for subnet in site.network.subnets.values()]
    if name == site.network.router:
        return {
            "baseline_hostname": name,
            "baseline_ntp_servers": [str(server) for server in site.network.uplink.ntp_servers],
            "baseline_ntp_serve_to": cidrs,
            "baseline_ntp_local_stratum": ROUTER_STRATUM,
            "baseline_firewall_rules": router_firewall(site, cidrs),
        }
    subnet = next(iter(site.machines[name].interfaces), next(iter(site.network.subnets)))
    return {
        "baseline_hostname": name,
        "baseline_ntp_servers": [str(site.network.subnets[subnet].gateway)],
        "baseline_ntp_serve_to": [],
        "baseline_ntp_local_stratum": 0,
        "baseline_firewall_rules": [],
    }


def router_firewall(site: Site, cidrs: list[str]) -> list[Variables]:
    """The router's own services, on its legs only. A client without a lease has no source address yet."""
    interfaces = [leg["interface"] for leg in legs(site)]

    def rule(comment: str, protocol: str, port: int, sources: list[str]) -> Variables:
        return {"comment": comment, "protocol": protocol, "ports": [port], "sources": sources, "interfaces": interfaces}

    return [
        rule("names", "udp", DNS, cidrs),
        rule("names", "tcp", DNS, cidrs),
        rule("addresses", "udp", DHCP, []),
        rule("time", "udp", NTP, cidrs),
    ]


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


def leg_name(site: Site, name: str, subnet: str) -> str:
    """A machine's first leg has its name; further ones say where they are."""
    return name if subnet == next(iter(site.machines[name].interfaces)) else f"{name}-{subnet}"


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
    return own + static + [{"name": record.name, "address": str(record.address)} for record in site.network.records]

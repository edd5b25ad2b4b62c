"""Role baseline: what every machine shares."""

from __future__ import annotations

from collections.abc import Mapping

from lab.inventory import router
from lab.inventory.common import APT_CACHE, DHCP, DNS, NTP, Variables, apt_cache, authority, secret
from lab.site import Site

ROUTER_STRATUM = 10  # chrony's own example for a server that follows nobody (chrony.conf(5), `local`)


def shared(site: Site, secrets: Mapping[str, str]) -> Variables:
    """What role baseline sees alike on every machine."""
    return {
        "baseline_users": users(site, secrets),
        "baseline_domain": site.domain,
        "baseline_timezone": site.timezone,
        "baseline_apt_proxy": apt_proxy(site),
        "baseline_ca_files": [{"name": site.name, "file": str(authority(site) / "ca.crt")}],
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


def managers(site: Site) -> list[str]:
    """Ranges that may log in to every machine."""
    inside = [str(subnet.cidr) for subnet in site.network.subnets.values() if subnet.manage]
    return inside + [str(cidr) for cidr in site.network.uplink.manage_from]


def apt_proxy(site: Site) -> str:
    """Where machines fetch packages; empty for straight from the mirror."""
    if site.apt.proxy:
        return str(site.apt.proxy)
    return f"http://{apt_cache(site)}:{APT_CACHE}" if apt_cache(site) else ""


def router_firewall(site: Site, cidrs: list[str]) -> list[Variables]:
    """The router's own services, on its legs only. A client without a lease has no source address yet."""
    interfaces = [leg["interface"] for leg in router.legs(site)]

    def rule(comment: str, protocol: str, port: int, sources: list[str]) -> Variables:
        return {"comment": comment, "protocol": protocol, "ports": [port], "sources": sources, "interfaces": interfaces}

    return [
        rule("names", "udp", DNS, cidrs),
        rule("names", "tcp", DNS, cidrs),
        rule("addresses", "udp", DHCP, []),
        rule("time", "udp", NTP, cidrs),
    ]

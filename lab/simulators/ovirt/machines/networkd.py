"""Texts of systemd-networkd's files: where a hypervisor's bridge gets its addresses from."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from lab.simulators.ovirt.backend import Attachment

DEFAULT_ROUTE = "ovirtmgmt"  # the one network whose gateway is everybody's; an engine routes the others by their source only
NO_OTHERS = ["[Network]", "LinkLocalAddressing=no", "IPv6AcceptRA=no"]


def as_told(attachment: Attachment, resolver: list[str]) -> str:
    """The sections of a .network file that give an interface what the engine assigned; `resolver` is kept with addresses."""
    if attachment.method == "static":
        address = ipaddress.ip_interface(f"{attachment.address}/{attachment.netmask or 32}")
        gateway = [f"Gateway={attachment.gateway}"] if attachment.gateway and attachment.network == DEFAULT_ROUTE else []
        return "\n".join([*NO_OTHERS, f"Address={address}", *gateway, *resolver]) + "\n"
    if attachment.method == "dhcp":
        is_used = "yes" if attachment.network == DEFAULT_ROUTE else "no"
        lease = ["", "[DHCPv4]", "ClientIdentifier=mac", "UseDomains=yes", "UseNTP=no", f"UseGateway={is_used}"]
        return "\n".join([*NO_OTHERS, "DHCP=ipv4", *lease]) + "\n"
    return "\n".join(NO_OTHERS) + "\n"


def as_it_is(link: dict[str, Any], routes: list[dict[str, Any]]) -> str:
    """The sections that give what an interface was given by others: addresses, and routes by a gateway (as of `ip -json`)."""
    addresses = [f"Address={info['local']}/{info['prefixlen']}" for info in link.get("addr_info", []) if info["family"] == "inet"]
    lines = [*NO_OTHERS, *addresses]
    for route in routes:
        if "gateway" in route:
            target = "0.0.0.0/0" if route["dst"] == "default" else route["dst"]
            lines += ["", "[Route]", f"Destination={target}", f"Gateway={route['gateway']}"]
    return "\n".join(lines) + "\n"


def without_match(text: str) -> str:
    """A .network file without the section that says which interface it is for."""
    sections = re.split(r"(?m)^(?=\[)", text)
    return "".join(section for section in sections if section.startswith("[") and not section.startswith("[Match]"))


def resolver(status: dict[str, Any], before: str) -> list[str]:
    """The lines that keep an interface's resolver: those of the file it had, else what `networkctl --json status` says that it uses."""
    if kept := [line for line in before.splitlines() if line.startswith(("DNS=", "Domains="))]:
        return kept
    servers = [".".join(map(str, server["Address"])) for server in status.get("DNS") or [] if len(server["Address"]) == 4]
    domains = dict.fromkeys(domain["Domain"] for domain in status.get("SearchDomains") or [])
    return [f"DNS={server}" for server in servers] + ([f"Domains={' '.join(domains)}"] if domains else [])

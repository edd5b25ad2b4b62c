"""How large a packet may be on the way: an overlay's header has to fit below what carries it."""

from __future__ import annotations

from lab.errors import InputError

# What each kind of network puts around a guest's packet: of IPv4 without options (20) and UDP (8), its own header (8, and OVN's option of 8
# for geneve), and the guest's Ethernet header (14).
OVERHEAD = {"flat": 0, "vlan": 0, "local": 0, "vxlan": 50, "geneve": 58}
IPV6_MORE = 20  # its header is that much longer
PING = 28  # headers of IPv4 and ICMP around the payload of a ping
MINIMUM = 576  # what every host has to take; DHCP servers and resolvers rely on it


def guest(underlay: int, kind: str, *, ipv6: bool = False) -> int:
    """The MTU that guests of a network may have, where its wires carry `underlay` bytes.

    Raises InputError for a kind that there is not, and where nothing useful is left.
    """
    if kind not in OVERHEAD:
        raise InputError(f"{kind}: is no kind of network; fix: one of {', '.join(sorted(OVERHEAD))}")
    header = OVERHEAD[kind] + (IPV6_MORE if ipv6 and OVERHEAD[kind] else 0)
    left = underlay - header
    if left < MINIMUM:
        raise InputError(
            f"an MTU of {underlay} leaves {left} bytes to guests of a {kind} network; fix: at least {MINIMUM + header} on its wires"
        )
    return left


def check(underlay: int, wanted: int, kind: str, *, ipv6: bool = False) -> str:
    """Nothing where guests' packets of `wanted` bytes pass, otherwise the problem with its fix."""
    most = guest(underlay, kind, ipv6=ipv6)
    if wanted <= most:
        return ""
    return (
        f"guests of a {kind} network have an MTU of {wanted}, but its wires carry {underlay} and {underlay - most} are the overlay's own: "
        f"large packets are lost and small ones pass; fix: mtu: {most}, or wires of {wanted + underlay - most}"
    )


def payload(mtu: int) -> int:
    """What `ping -M do -s` is told so that the packet is exactly as large as the MTU."""
    return mtu - PING

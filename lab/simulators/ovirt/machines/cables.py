"""The cables between virtual machines and bridges of hypervisors: a pair of ends, one in either network namespace.

In the machine's namespace a bridge of its own joins the cable to the tap that the guest's kernel holds, so that a migration can change
the cable while the guest keeps its card.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from lab.simulators.ovirt.backend import Nic
from lab.simulators.ovirt.machines import announce, namespaces
from lab.simulators.ovirt.machines.hypervisors import PORT
from lab.wait import wait_for

FORWARDING = "forwarding"
TAKEN_UP_SECONDS = 10


def port_name(mac: str) -> str:
    """The end in the hypervisor, which no other machine's card has."""
    return PORT + mac.replace(":", "").lower()[-10:]


def prepare(pid: int, mtus: Sequence[int]) -> None:
    """Taps for the guest, each in a bridge with nothing else in it yet; what is there already stays."""
    namespaces.inside(pid, "sh", "-c", "for file in all default; do echo 1 > /proc/sys/net/ipv6/conf/$file/disable_ipv6; done")
    have = {link["ifname"] for link in namespaces.links(pid)}
    for number, mtu in enumerate(mtus):
        if f"bridge{number}" in have:
            continue
        namespaces.batch(
            pid,
            [
                f"tuntap add dev tap{number} mode tap",
                f"link set dev tap{number} mtu {mtu}",
                f"link add name bridge{number} mtu {mtu} type bridge mcast_snooping 0",
                f"link set dev tap{number} master bridge{number} up",
                f"link set dev bridge{number} up",
            ],
        )


def plug(pid: int, number: int, nic: Nic, hypervisor: int, bridge: str) -> None:
    """Lays the cable of a card to a bridge of the hypervisor with that process, instead of where it led before."""
    unplug(pid, number)
    card, port = f"card{number}", port_name(nic.mac)
    links = {link["ifname"]: link for link in namespaces.links(hypervisor)}
    if port in links:  # of a machine that was killed with its container a moment ago
        namespaces.inside(hypervisor, "ip", "link", "delete", "dev", port)
    mtu = links[bridge]["mtu"]
    namespaces.batch(
        pid,
        [
            f"link add name {card} mtu {mtu} type veth peer name {port} mtu {mtu} netns {hypervisor}",
            f"link set dev {card} master bridge{number} up",
        ],
    )
    state = "up" if nic.is_linked else "down"
    namespaces.batch(hypervisor, [f"link set dev {port} addrgenmode none", f"link set dev {port} master {bridge} {state}"])


def port_state(links: Sequence[dict[str, Any]], name: str) -> str:
    """What a bridge does with a port of it: forwarding, or anything else; empty where it is no port."""
    link: dict[str, Any] = next((each for each in links if each["ifname"] == name), {})
    return str(link.get("linkinfo", {}).get("info_slave_data", {}).get("state", ""))


def unplug(pid: int, number: int) -> None:
    """Takes a card's cable away."""
    if any(link["ifname"] == f"card{number}" for link in namespaces.links(pid)):
        namespaces.inside(pid, "ip", "link", "delete", "dev", f"card{number}")


def tell_the_network(pid: int, number: int, nic: Nic, hypervisor: int) -> None:
    """Lets the switches on the way learn where the card is now, as a hypervisor does after a migration."""
    card, port = f"card{number}", port_name(nic.mac)

    def hands_on() -> list[str]:
        """A bridge takes up to a second to notice that a cable is plugged in, and drops what comes until then."""
        return [port_state(namespaces.links(pid), card), port_state(namespaces.links(hypervisor), port)]

    wait_for(f"the cable of {nic.name} is taken up", hands_on, lambda seen: seen == [FORWARDING] * 2, TAKEN_UP_SECONDS, pause_seconds=0.05)
    namespaces.inside(pid, sys.executable, "-I", announce.__file__, f"card{number}", nic.mac)

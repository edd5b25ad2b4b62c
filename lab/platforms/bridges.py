"""Lab networks: bridges that pass frames and nothing else.

Where the kernel hands bridged frames to the machine's own firewall (`bridge-nf-call-iptables`, set by Docker among others), a packet of the
controller that crosses the router is seen a second time there, and its connection tracking drops it. So frames on lab bridges are
kept out of connection tracking, by one table that goes with the last bridge.
"""

from __future__ import annotations

import json
import subprocess

from lab.errors import LabError
from lab.platforms.podman import exclusive, exists, podman

TABLE = "strata_bridges"
DECLARATION = f"""
table inet {TABLE} {{
  set bridges {{ type ifname; }}
  chain untracked {{ type filter hook prerouting priority raw; }}
}}
flush chain inet {TABLE} untracked
add rule inet {TABLE} untracked iifname @bridges notrack
"""


def ensure(network: str, mtu: int) -> None:
    """A bridge with no address, DHCP or names of its own."""
    with exclusive():
        if not exists("network", network):
            podman("network", "create", "--ipam-driver", "none", "--disable-dns", "--opt", f"mtu={mtu}", network)
        nft(f"{DECLARATION}add element inet {TABLE} bridges {{ {bridge(network)} }}\n")


def ensure_uplink(network: str, cidr: str, gateway: str) -> None:
    """The provider's side: a gateway that translates addresses and resolves names."""
    with exclusive():
        if not exists("network", network):
            podman("network", "create", "--subnet", cidr, "--gateway", gateway, network)


def remove_unused(networks: list[str]) -> None:
    """A network goes with the last machine on it."""
    with exclusive():
        for network in networks:
            if exists("network", network) and not podman("ps", "--all", "--quiet", "--filter", f"network={network}").strip():
                forget(bridge(network))
                podman("network", "rm", network)


def bridge(network: str) -> str:
    """The name of the interface that podman gave the network."""
    found: list[dict[str, str]] = json.loads(podman("network", "inspect", network))
    return found[0]["network_interface"]


def forget(interface: str) -> None:
    """Takes a bridge out of the table, and the table away when it was the last."""
    left = tracked()
    if interface in left:
        nft(f"delete table inet {TABLE}" if left == {interface} else f"delete element inet {TABLE} bridges {{ {interface} }}")


def tracked() -> set[str]:
    """The bridges in the table; none where there is no table."""
    done = subprocess.run(["nft", "-j", "list", "set", "inet", TABLE, "bridges"], capture_output=True, text=True, check=False)
    if done.returncode:
        return set()
    found = next(item["set"] for item in json.loads(done.stdout)["nftables"] if "set" in item)
    return set(found.get("elem", []))


def nft(commands: str) -> None:
    """Applies commands at once or not at all.

    Raises LabError with nft's own words.
    """
    done = subprocess.run(["nft", "-f", "-"], input=commands, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"nft: {done.stderr.strip()}; fix: run as root on a kernel with nftables (./inv doctor)")

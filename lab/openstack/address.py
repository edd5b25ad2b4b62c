"""The address of a server: there is no call that tells when its port has one, so it is asked for, less and less often."""

from __future__ import annotations

from typing import Any

from lab.openstack.cloud import Cloud
from lab.openstack.state import State

LIMIT_SECONDS = 180.0


def wait_for_address(cloud: Cloud, server: str, *, network: str = "", limit_seconds: float = LIMIT_SECONDS) -> str:
    """The first fixed address of a server, on `network` or on any, once its port is up: plugged in, with flows on its node.

    Raises LabError where there is no such server or network, and NotReached where its port stays down.
    """
    state = State(cloud)
    ident = state.id("servers", server, "wait for its address")
    within = state.id("networks", network, f"server {server}: wait for its address") if network else ""

    def look() -> list[tuple[str, str, str]]:
        ports = cloud.connection.network.ports(device_id=ident, **({"network_id": within} if within else {}))
        return sorted((str(port.status), first_address(port), str(port.binding_host_id or "")) for port in ports)

    found = cloud.wait(
        f"server {server} has an address{f' on {network}' if network else ''}",
        look,
        lambda seen: any(status == "ACTIVE" and address for status, address, _ in seen),
        limit_seconds,
        lambda seen: any(status == "ERROR" for status, _, _ in seen),
        lambda: "fix: a port that stays DOWN has no flows: is ovn-controller up on its node (the last word of what was seen)?",
    )
    return next(address for status, address, _ in found if status == "ACTIVE" and address)


def first_address(port: Any) -> str:
    """Of a port; empty where it has none (yet)."""
    fixed = port.fixed_ips or []
    return str(fixed[0]["ip_address"]) if fixed else ""

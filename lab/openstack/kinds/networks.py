"""Neutron: networks, subnets, and the addresses that lead in from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab.openstack.kinds.base import Plain, removed, said
from lab.openstack.model_network import FloatingIp, Subnet
from lab.openstack.sdk import text
from lab.openstack.state import State, keyed
from lab.things.thing import Seen, Step

LEADING_SECONDS = 120

NETWORKS = Plain(
    "network",
    "network",
    "networks",
    {
        "description": "description",
        "external": "is_router_external",
        "shared": "is_shared",
        "port_security": "is_port_security_enabled",
        "mtu": "mtu",
        "provider_type": "provider_network_type",
        "physical_network": "provider_physical_network",
        "segment": "provider_segmentation_id",
    },
)


def subnet_values(state: State, item: Any, words: Mapping[str, str]) -> dict[str, Any]:
    """In the words of the model."""
    return {
        "cidr": item.cidr,
        "gateway": item.gateway_ip or None,
        "dhcp": bool(item.is_dhcp_enabled),
        "dns_servers": list(item.dns_nameservers or ()),
        "description": text(item.description),
        "pools": sorted(f"{pool['start']} to {pool['end']}" for pool in item.allocation_pools or ()),
    }


def subnet_body(thing: Subnet, keys: Sequence[str]) -> dict[str, Any]:
    """In the SDK's words; a gateway of None is how Neutron is told that there is none."""
    wanted = thing.wanted()
    words = {
        "gateway": "gateway_ip",
        "dhcp": "is_dhcp_enabled",
        "dns_servers": "dns_nameservers",
        "description": "description",
        "cidr": "cidr",
    }
    body = {words[key]: wanted[key] for key in keys if key in words}
    if thing.pool and "pools" in keys:
        body["allocation_pools"] = [{"start": str(thing.pool.from_), "end": str(thing.pool.to)}]
    return body


def subnet_key(state: State, ident: str) -> str:
    """`network/subnet` of an id; the id where it is out of our sight."""
    for item in state.objects("subnets"):
        if item.id == ident:
            return f"{state.name('networks', item.network_id) or item.network_id}/{item.name}"
    return ident


class Subnets:
    """Addresses of networks."""

    touches = ("subnets",)

    def observe(self, state: State, things: Sequence[Subnet]) -> dict[str, Seen]:
        """By network and name; those of networks that we do not see are nobody's business."""
        pairs = []
        for item in state.objects("subnets"):
            if network := state.name("networks", item.network_id):
                pairs.append((f"{network}/{item.name}", Seen(str(item.id), subnet_values(state, item, {}))))
        return keyed(pairs)

    def create(self, state: State, thing: Subnet) -> None:
        """In its network."""
        network = state.id("networks", thing.network, said(thing, "create"))
        body = {"name": thing.name, "network_id": network, "ip_version": 4} | subnet_body(thing, list(thing.wanted()))
        state.cloud.tell(said(thing, "create"), lambda: state.cloud.connection.network.create_subnet(**body))

    def update(self, state: State, thing: Subnet, seen: Seen, step: Step) -> None:
        """What differs."""
        body = subnet_body(thing, list(step.changes))
        state.cloud.tell(said(thing, "change"), lambda: state.cloud.connection.network.update_subnet(seen.id, **body))

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """Refused by Neutron while a port has an address of it."""
        proxy = state.cloud.connection.network
        removed(state, f"subnet {key}", lambda: proxy.delete_subnet(seen.id, ignore_missing=False))


class FloatingIps:
    """Addresses of an external network, by the server they lead to."""

    touches = ("floating_ips", "ports")

    def observe(self, state: State, things: Sequence[FloatingIp]) -> dict[str, Seen]:
        """By server; one that leads nowhere has no key."""
        servers = {str(item.id): str(item.name) for item in state.objects("servers")}
        owners = {str(port.id): servers.get(str(port.device_id), "") for port in state.objects("ports")}
        pairs = []
        for item in state.objects("floating_ips"):
            values = {"network": state.name("networks", item.floating_network_id), "address": item.floating_ip_address}
            if server := owners.get(str(item.port_id), ""):
                pairs.append((server, Seen(str(item.id), values, {"address": item.floating_ip_address, "inside": item.fixed_ip_address})))
        return keyed(pairs)

    def create(self, state: State, thing: FloatingIp) -> None:
        """One that leads nowhere yet is used again: it may be what a run that was killed had asked for."""
        what, proxy = said(thing, "create"), state.cloud.connection.network
        network = state.id("networks", thing.network, what)
        port = first_port(state, thing)
        free = [item for item in state.objects("floating_ips") if not item.port_id and item.floating_network_id == network]
        chosen = next((item for item in free if thing.address is None or item.floating_ip_address == str(thing.address)), None)
        if chosen is not None:
            made = state.cloud.tell(what, lambda: proxy.update_ip(chosen.id, port_id=port))
        else:
            body = {"floating_network_id": network, "port_id": port}
            body |= {"floating_ip_address": str(thing.address)} if thing.address else {}
            made = state.cloud.tell(what, lambda: proxy.create_ip(**body))
        state.cloud.wait(
            f"{thing.ref} leads to its server",
            lambda: str(proxy.get_ip(made.id).status),
            lambda status: status == "ACTIVE",
            LEADING_SECONDS,
            lambda status: status == "ERROR",
            lambda: "has the server's network a router to the external one? fix: add its subnet to such a router",
        )

    def update(self, state: State, thing: FloatingIp, seen: Seen, step: Step) -> None:
        """Another address, or one of another network: the old one goes first."""
        self.remove(state, thing.key, seen)
        state.forget(*self.touches)
        self.create(state, thing)

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """The address goes back to the network."""
        proxy = state.cloud.connection.network
        removed(state, f"floating ip {key}", lambda: proxy.delete_ip(seen.id, ignore_missing=False))


def first_port(state: State, thing: FloatingIp) -> str:
    """The port of the server that a router joins to the external network: Neutron refuses any other, the first is asked for."""
    server = state.id("servers", thing.name, said(thing, "create"))

    def look() -> list[Any]:
        return [port for port in state.cloud.connection.network.ports(device_id=server) if port.fixed_ips]

    ports = state.cloud.wait(f"{thing.ref}: the server has a port with an address", look, bool, LEADING_SECONDS)
    return str(sorted(ports, key=lambda port: str(port.created_at or ""))[0].id)

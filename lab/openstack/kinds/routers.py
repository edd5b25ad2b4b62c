"""Neutron: routers, with what they join."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lab.openstack.kinds.base import removed, said
from lab.openstack.kinds.networks import subnet_key
from lab.openstack.model_network import Router
from lab.openstack.sdk import text
from lab.openstack.state import State, keyed
from lab.things.thing import Seen, Step

LEGS = ("network:router_interface", "network:router_interface_distributed", "network:ha_router_replicated_interface")


class Routers:
    """Routers of the project."""

    touches = ("routers", "ports")

    def observe(self, state: State, things: Sequence[Router]) -> dict[str, Seen]:
        """By name; its legs are ports."""
        legs: dict[str, dict[str, str]] = {}
        for port in state.objects("ports"):
            if port.device_owner in LEGS:
                for fixed in port.fixed_ips or ():
                    legs.setdefault(str(port.device_id), {})[subnet_key(state, fixed["subnet_id"])] = fixed["subnet_id"]
        pairs = []
        for item in state.objects("routers"):
            out = item.external_gateway_info or {}
            own = legs.get(str(item.id), {})
            values = {
                "external_network": state.name("networks", out.get("network_id")) or None,
                "snat": bool(out.get("enable_snat", True)),
                "subnets": sorted(own),
                "description": text(item.description),
            }
            pairs.append((str(item.name), Seen(str(item.id), values, {"legs": own})))
        return keyed(pairs)

    def create(self, state: State, thing: Router) -> None:
        """The router, then its legs: a killed run is continued by the update of what is there."""
        body = {"name": thing.name, "description": thing.description} | self.way_out(state, thing)
        made = state.cloud.tell(said(thing, "create"), lambda: state.cloud.connection.network.create_router(**body))
        self.join(state, thing, str(made.id), thing.subnets)

    def update(self, state: State, thing: Router, seen: Seen, step: Step) -> None:
        """Legs that are too many go first: their subnets may be what the new way out needs."""
        if "subnets" in step.changes:
            self.part(
                state, str(thing.ref), seen.id, {key: seen.notes["legs"][key] for key in seen.notes["legs"] if key not in thing.subnets}
            )
        body: dict[str, Any] = {"description": thing.description} if "description" in step.changes else {}
        if {"external_network", "snat"} & set(step.changes):
            body |= self.way_out(state, thing) or {"external_gateway_info": {}}
        if body:
            state.cloud.tell(said(thing, "change"), lambda: state.cloud.connection.network.update_router(seen.id, **body))
        if "subnets" in step.changes:
            self.join(state, thing, seen.id, [key for key in thing.subnets if key not in seen.notes["legs"]])

    def way_out(self, state: State, thing: Router) -> dict[str, Any]:
        """Whether addresses are hidden is only told where they are not: that takes an administrator."""
        if thing.external_network is None:
            return {}
        network = state.id("networks", thing.external_network, said(thing, "way out"))
        return {"external_gateway_info": {"network_id": network} | ({} if thing.snat else {"enable_snat": False})}

    def join(self, state: State, thing: Router, ident: str, keys: Iterable[str]) -> None:
        """A leg for each subnet, with the subnet's gateway as its address."""
        proxy = state.cloud.connection.network
        for key in keys:
            subnet = next((str(item.id) for item in state.objects("subnets") if subnet_key(state, item.id) == key), "")
            subnet = subnet or state.id("subnets", key.rpartition("/")[2], said(thing, f"join {key}"))
            state.cloud.tell(said(thing, f"join {key}"), lambda: proxy.add_interface_to_router(ident, subnet))  # noqa: B023 - called at once

    def part(self, state: State, what: str, ident: str, legs: dict[str, str]) -> None:
        """Takes legs away."""
        proxy = state.cloud.connection.network
        for key, subnet in legs.items():
            state.cloud.tell(f"{what}: leave {key}", lambda: proxy.remove_interface_from_router(ident, subnet))  # noqa: B023

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """Legs first."""
        self.part(state, f"router {key}", seen.id, seen.notes["legs"])
        proxy = state.cloud.connection.network
        removed(state, f"router {key}", lambda: proxy.delete_router(seen.id, ignore_missing=False))

"""Clusters: /clusters."""

from __future__ import annotations

from typing import Any

from lab.ovirt.kinds.base import removed, said
from lab.ovirt.model import Cluster
from lab.ovirt.plan import Seen, Step
from lab.ovirt.sdk import text, types
from lab.ovirt.state import State


class Clusters:
    """Hypervisors that VMs may move between."""

    def observe(self, state: State) -> dict[str, Seen]:
        """By name, which is unique on the engine."""
        return {item.name: Seen(item.id, cluster_values(state, item)) for item in state.objects("clusters")}

    def create(self, state: State, thing: Cluster) -> None:
        """One request."""
        center = state.id("data_centers", thing.data_center, said(thing, "create"))
        request = self.request(state, thing)
        request.data_center = types().DataCenter(id=center)
        state.engine.tell(said(thing, "create"), lambda: state.service("clusters").add(request))

    def update(self, state: State, thing: Cluster, seen: Seen, step: Step) -> None:
        """Description, CPU type, MAC pool."""
        request = self.request(state, thing)
        state.engine.tell(said(thing, "change"), lambda: state.service("clusters").cluster_service(seen.id).update(request))

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """Refused by the engine while it has hypervisors or VMs."""
        removed(state, f"cluster {key}", state.service("clusters").cluster_service(seen.id))

    def request(self, state: State, thing: Cluster) -> Any:
        """What the engine is told; what the site leaves open is left to the engine."""
        request = types().Cluster(name=thing.name, description=thing.description)
        if thing.cpu_type:
            request.cpu = types().Cpu(type=thing.cpu_type)
        if thing.mac_pool:
            request.mac_pool = types().MacPool(id=state.id("mac_pools", thing.mac_pool, said(thing, "MAC pool")))
        return request


def cluster_values(state: State, item: Any) -> dict[str, Any]:
    """In the words of the model."""
    return {
        "data_center": state.name("data_centers", item.data_center) or None,
        "description": text(item.description),
        "cpu_type": item.cpu.type if item.cpu else None,
        "mac_pool": state.name("mac_pools", item.mac_pool) or None,
    }

"""Clusters, their networks, and the policies and profiles they use."""

from __future__ import annotations

from typing import Any, ClassVar

from lab.simulators.ovirt.collection import Collection, name_of, own
from lab.simulators.ovirt.engine import Call
from lab.simulators.ovirt.errors import conflict, incomplete
from lab.simulators.ovirt.events import Code
from lab.simulators.ovirt.resources import networks
from lab.simulators.ovirt.resources.data_centers import VERSION
from lab.simulators.ovirt.store import Body

SCHEDULING_NONE = "b4ed2332-a7ac-4d5f-9596-99a439cb2812"
MIGRATION_POLICY = "80554327-0569-496b-bdeb-fcbbf52b827b"
FENCING: Body = {
    "enabled": True,
    "skip_if_connectivity_broken": {"enabled": False, "threshold": 50},
    "skip_if_gluster_bricks_up": False,
    "skip_if_gluster_quorum_not_met": False,
    "skip_if_sd_active": {"enabled": False},
}
DEFAULTS: Body = {
    "ballooning_enabled": False,
    "cpu": {"architecture": "x86_64", "type": ""},
    "custom_scheduling_policy_properties": [],
    "description": "",
    "error_handling": {"on_error": "migrate"},
    "fencing_policy": FENCING,
    "firewall_type": "firewalld",
    "gluster_service": False,
    "ha_reservation": False,
    "ksm": {"enabled": True, "merge_across_nodes": True},
    "memory_policy": {"over_commit": {"percent": 100}, "transparent_hugepages": {"enabled": True}},
    "migration": {
        "auto_converge": "inherit",
        "bandwidth": {"assignment_method": "auto"},
        "compressed": "inherit",
        "policy": {"id": MIGRATION_POLICY},
    },
    "required_rng_sources": ["urandom"],
    "scheduling_policy": {"id": SCHEDULING_NONE},
    "switch_type": "legacy",
    "threads_as_cores": False,
    "trusted_service": False,
    "tunnel_migration": False,
    "virt_service": True,
}
MORE = frozenset({"name", "comment", "version", "optional_reason", "maintenance_reason_required", "serial_number", "bios_type"})


class SchedulingPolicies(Collection):
    """How hosts are chosen; the engine's own, of which none can be changed."""

    kind = "scheduling_policy"
    type_name = "SchedulingPolicy"
    rel = "schedulingpolicies"
    methods = frozenset({"list", "get"})
    more_links = ("balances", "filters", "weight")


class CpuProfiles(Collection):
    """Limits for CPUs; one per cluster, which has none."""

    kind = "cpu_profile"
    type_name = "CpuProfile"
    rel = "cpuprofiles"
    methods = frozenset({"list", "get"})
    more_links = ("permissions",)


class Clusters(Collection):
    """Clusters."""

    kind = "cluster"
    type_name = "Cluster"
    rel = "clusters"
    title = "Cluster"
    stored = frozenset(DEFAULTS) | MORE
    references: ClassVar = {
        "data_center": "data_center",
        "mac_pool": "mac_pool",
        "scheduling_policy": "scheduling_policy",
        "management_network": "network",
    }
    required = ("name",)
    unique_name = "Cannot {action} Cluster. Cluster name is already in use."
    empty = ("enabledfeatures", "externalnetworkproviders", "glusterhooks", "glustervolumes")
    more_links = ("permissions",)
    more_actions = ("resetemulatedmachine", "syncallnetworks", "upgrade")

    def view(self, call: Call, raw: Body) -> Body:
        """Which network manages is seen on the networks."""
        return {name: value for name, value in raw.items() if name != "management_network"}

    def create(self, call: Call, body: Body) -> Body:
        """In a data center, with its management network and a CPU profile."""
        if "data_center" not in body:
            raise incomplete("Cluster", "dataCenter.name|id", "add")
        data_center = call.need("data_center", body["data_center"]["id"])
        raw: Body = DEFAULTS | {"mac_pool": data_center["mac_pool"], "version": VERSION}
        for name, value in body.items():
            old: Any = raw.get(name)
            raw[name] = old | value if isinstance(old, dict) and isinstance(value, dict) and "id" not in value else value
        raw = super().create(call, raw)
        networks.attach_management(call, raw)
        call.store.insert("cpu_profile", {"name": raw["name"], "cluster": {"id": raw["id"]}})
        call.event(Code.CLUSTER_ADDED, f"Cluster {raw['name']} was added by admin@internal-authz", cluster=raw["id"])
        return raw

    def change(self, call: Call, raw: Body, body: Body) -> Body:
        """Not into another data center."""
        if "data_center" in body and raw.get("data_center", body["data_center"]) != body["data_center"]:
            raise conflict("Cannot change Data Center association when editing a Cluster.")
        call.event(Code.CLUSTER_UPDATED, f"Host cluster {raw['name']} was updated by admin@internal-authz", cluster=raw["id"])
        return super().change(call, raw, body)

    def remove(self, call: Call, raw: Body, body: Body) -> None:
        """Only when nothing is in it."""
        for kind, said in IN_CLUSTER.items():
            if any(each.get("cluster", {}).get("id") == raw["id"] for each in call.store.all(kind)):
                raise conflict(said)
        for profile in call.store.all("cpu_profile"):
            if profile["cluster"]["id"] == raw["id"]:
                call.store.delete("cpu_profile", profile["id"])
        super().remove(call, raw, body)
        call.event(Code.CLUSTER_REMOVED, f"Host cluster {raw['name']} was removed by admin@internal-authz")


IN_CLUSTER = {
    "host": "Cannot remove Cluster. Cluster contains one or more Hosts",
    "vm": "Cannot remove Cluster. One or more VMs are still assigned to the Cluster",
    "template": "Cannot remove Cluster. One or more Template(s) are still associated with the Cluster",
}
Clusters.keys = {
    "id": own("id"),
    "name": own("name"),
    "comment": own("comment"),
    "description": own("description"),
    "datacenter": name_of("data_center", "data_center"),
    "datacenter.name": name_of("data_center", "data_center"),
    "architecture": own("cpu", "architecture"),
}

"""Data centers, and the clusters, networks and domains seen under one."""

from __future__ import annotations

from typing import ClassVar

from lab.simulators.ovirt.collection import Collection, own
from lab.simulators.ovirt.engine import Call
from lab.simulators.ovirt.errors import conflict
from lab.simulators.ovirt.events import Code
from lab.simulators.ovirt.resources import networks
from lab.simulators.ovirt.store import Body

DEFAULT_MAC_POOL = "58ca604b-017d-0374-0220-00000000014e"
VERSION: Body = {"major": 4, "minor": 7}


class MacPools(Collection):
    """Ranges MAC addresses of virtual network cards are taken from."""

    kind = "mac_pool"
    type_name = "MacPool"
    rel = "macpools"
    title = "MacPool"
    stored = frozenset({"name", "description", "allow_duplicates", "ranges", "default_pool"})
    required = ("name", "ranges")
    unique_name = "Cannot {action} MAC Pool. The MAC Pool name is already in use, please choose a unique name and try again."
    more_links = ("permissions",)

    def view(self, call: Call, raw: Body) -> Body:
        """Elements not given have the engine's defaults."""
        return {"allow_duplicates": False, "default_pool": False, "description": ""} | raw

    def remove(self, call: Call, raw: Body, body: Body) -> None:
        """Not the default one, and not one in use."""
        if raw.get("default_pool"):
            raise conflict("Cannot remove MAC Pool. Default MAC Pool cannot be removed.")
        users = [*call.store.all("cluster"), *call.store.all("data_center")]
        if any(each.get("mac_pool", {}).get("id") == raw["id"] for each in users):
            raise conflict("Cannot remove MAC Pool. MAC Pool is being used by a Cluster.")
        super().remove(call, raw, body)


class DataCenters(Collection):
    """Data centers."""

    kind = "data_center"
    type_name = "DataCenter"
    rel = "datacenters"
    title = "DataCenter"
    stored = frozenset({"name", "description", "comment", "local", "version", "quota_mode", "storage_format"})
    references: ClassVar = {"mac_pool": "mac_pool"}
    required = ("name",)
    unique_name = "Cannot {action} Data Center. The Data Center name is already in use."
    empty = ("iscsibonds", "qoss", "quotas")
    more_links = ("permissions",)
    more_actions = ("cleanfinishedtasks", "setmaster")

    def view(self, call: Call, raw: Body) -> Body:
        """Its status is that of its master domain and hosts."""
        return raw | {"status": status(call, raw), "supported_versions": [VERSION]}

    def create(self, call: Call, body: Body) -> Body:
        """With the management network every data center has."""
        defaults = {"description": "", "local": False, "mac_pool": {"id": DEFAULT_MAC_POOL}, "quota_mode": "disabled", "version": VERSION}
        raw = super().create(call, defaults | body)
        networks.add_management(call, raw)
        version = f"{raw['version']['major']}.{raw['version']['minor']}"
        said = f"Data Center {raw['name']}, Compatibility Version {version} and Quota Type {raw['quota_mode'].upper()}"
        call.event(Code.DATA_CENTER_ADDED, f"{said} was added by admin@internal-authz", data_center=raw["id"])
        return raw

    def change(self, call: Call, raw: Body, body: Body) -> Body:
        """As any object, with an event."""
        call.event(Code.DATA_CENTER_UPDATED, f"Data Center {raw['name']} was updated by admin@internal-authz", data_center=raw["id"])
        return super().change(call, raw, body)

    def remove(self, call: Call, raw: Body, body: Body) -> None:
        """Only without active domains; its clusters stay, without one."""
        attached = call.store.all("attached_domain", raw["id"])
        if any(each["status"] in ("active", "locked") for each in attached):
            said = "Cannot remove Data Center which contains active/locked Storage Domains."
            raise conflict(said + "\n-Please deactivate all domains and wait for tasks to finish before removing the Data Center.")
        if len(attached) > 1:
            raise conflict("Cannot remove Data Center when more than one Storage Domain is attached.")
        for cluster in call.store.all("cluster"):
            if cluster.get("data_center", {}).get("id") == raw["id"]:
                call.store.save("cluster", {name: value for name, value in cluster.items() if name != "data_center"})
        networks.remove_all(call, raw)
        super().remove(call, raw, body)
        call.event(Code.DATA_CENTER_REMOVED, f"Data Center {raw['name']} was removed by admin@internal-authz")


def status(call: Call, raw: Body) -> str:
    """What a data center is, seen from its domains and hosts."""
    domains = call.store.all("attached_domain", raw["id"])
    master = next((each for each in domains if each.get("master")), None)
    if master is None:
        return "uninitialized"
    clusters = {each["id"] for each in call.store.all("cluster") if each.get("data_center", {}).get("id") == raw["id"]}
    is_served = any(host["status"] == "up" and host["cluster"]["id"] in clusters for host in call.store.all("host"))
    if master["status"] in ("maintenance", "preparing_for_maintenance"):
        return "maintenance"
    if master["status"] == "locked":
        return "uninitialized"
    return "up" if is_served else "problematic"


KEYS = {
    "id": own("id"),
    "name": own("name"),
    "comment": own("comment"),
    "description": own("description"),
    "local": own("local"),
    "status": status,
    "compatibility_version": lambda call, raw: f"{raw['version']['major']}.{raw['version']['minor']}",
    "storage": lambda call, raw: [each["name"] for each in call.store.all("attached_domain", raw["id"])],
    "storage.name": lambda call, raw: [each["name"] for each in call.store.all("attached_domain", raw["id"])],
    "clusters.name": lambda call, raw: [
        each["name"] for each in call.store.all("cluster") if each.get("data_center", {}).get("id") == raw["id"]
    ],
}
DataCenters.keys = KEYS

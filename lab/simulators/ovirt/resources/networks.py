"""Logical networks, their place in clusters, labels, and the profiles virtual cards are plugged in with."""

from __future__ import annotations

from typing import ClassVar

from lab.simulators.ovirt.collection import Collection, merged, name_of, own, under
from lab.simulators.ovirt.engine import Call
from lab.simulators.ovirt.errors import Fault, conflict, incomplete, not_found, refused
from lab.simulators.ovirt.events import Code
from lab.simulators.ovirt.store import Body

MANAGEMENT = "ovirtmgmt"
NO_MAC_SPOOFING = "d2370ab4-fee3-11e9-a310-8c1645ce738e"
BY = "(User: admin@internal-authz)"
LAST_VLAN = 4094


class NetworkFilters(Collection):
    """Filters of libvirt; the engine's own."""

    kind = "network_filter"
    type_name = "NetworkFilter"
    rel = "networkfilters"
    methods = frozenset({"list", "get"})


class VnicProfiles(Collection):
    """Profiles."""

    kind = "vnic_profile"
    type_name = "VnicProfile"
    rel = "vnicprofiles"
    title = "VnicProfile"
    stored = frozenset({"name", "description", "comment", "pass_through", "port_mirroring", "custom_properties", "migratable"})
    references: ClassVar = {"network": "network", "network_filter": "network_filter"}
    required = ("name", "network")
    immutable = frozenset({"network"})
    more_links = ("permissions",)

    def create(self, call: Call, body: Body) -> Body:
        """One name once per network; without a filter named, the engine's own."""
        if any(each["network"] == body["network"] and each["name"] == body["name"] for each in call.store.all(self.kind)):
            said = "The VM network interface profile's name is already used by an existing profile for the same network."
            raise refused(f"Cannot add VM network interface profile. {said}\n-Please choose a different name.")
        if body.get("network_filter", {"id": ""})["id"] == "":
            body["network_filter"] = {"id": NO_MAC_SPOOFING}
        raw = call.store.insert(self.kind, {"pass_through": {"mode": "disabled"}, "port_mirroring": False} | body)
        _tell_profile(call, raw, Code.PROFILE_ADDED, "was added to")
        return raw

    def refer(self, call: Call, element: str, value: Body) -> Body:
        """No filter at all is asked for with an empty element."""
        return {"id": ""} if element == "network_filter" and not value else super().refer(call, element, value)

    def view(self, call: Call, raw: Body) -> Body:
        """Without a filter where there is none."""
        return {name: value for name, value in raw.items() if value != {"id": ""}}

    def change(self, call: Call, raw: Body, body: Body) -> Body:
        """With an event."""
        _tell_profile(call, raw, Code.PROFILE_UPDATED, "was updated for")
        return super().change(call, raw, body)

    def remove(self, call: Call, raw: Body, body: Body) -> None:
        """Only when no card uses it."""
        users = [nic["name"] for nic in call.store.all("nic", None) if nic.get("vnic_profile", {}).get("id") == raw["id"]]
        if users:
            said = f"This VM network interface profile is used by VMs:  {', '.join(users)}."
            raise refused(f"Cannot remove VM network interface profile. {said}\n - Please remove it from this VMs and try again.")
        _tell_profile(call, raw, Code.PROFILE_REMOVED, "was removed from")
        call.store.delete(self.kind, raw["id"])


class NetworkLabels(Collection):
    """Labels of a network."""

    kind = "network_label"
    type_name = "NetworkLabel"
    rel = "networklabels"
    methods = frozenset({"list", "get", "add", "remove"})

    def add(self, call: Call, body: Body) -> Body:
        """Its id is its text, and there is one at most."""
        if not body.get("id"):
            raise incomplete("NetworkLabel", "id", "add")
        if self.all(call):
            raise refused("Cannot add Label. The specified network is already labeled.")
        return call.store.insert(self.kind, {"id": body["id"]}, call.parent["id"])


class Networks(Collection):
    """Networks."""

    kind = "network"
    type_name = "Network"
    rel = "networks"
    title = "Network"
    stored = frozenset({"name", "description", "comment", "mtu", "stp", "usages", "vlan", "port_isolation", "profile_required"})
    references: ClassVar = {"data_center": "data_center"}
    required = ("name", "data_center")
    immutable = frozenset({"data_center"})
    more_links = ("permissions",)
    children: ClassVar = {"networklabels": NetworkLabels(), "vnicprofiles": under(VnicProfiles, "network")}

    def view(self, call: Call, raw: Body) -> Body:
        """Whether a profile was wanted is not shown."""
        return {name: value for name, value in raw.items() if name != "profile_required"}

    def create(self, call: Call, body: Body) -> Body:
        """With a profile of its name, as the engine makes one."""
        self._check(call, body, None)
        body.setdefault("usages", ["vm"])
        raw = call.store.insert(self.kind, {"description": "", "mtu": 0, "stp": False} | body)
        data_center = call.need("data_center", raw["data_center"]["id"])
        said = f"Finished adding Network {raw['name']} to Data Center: {data_center['name']}"
        call.event(Code.NETWORK_ADDED, said, data_center=data_center["id"])
        if "vm" in raw["usages"] and body.get("profile_required", True):
            add_profile(call, raw)
        return raw

    def change(self, call: Call, raw: Body, body: Body) -> Body:
        """With an event."""
        self._check(call, body, raw)
        data_center = call.need("data_center", raw["data_center"]["id"])
        said = f"Finished Network {raw['name']} update on Data Center: {data_center['name']}"
        call.event(Code.NETWORK_UPDATED, said, data_center=data_center["id"])
        if body.get("vlan") == {}:  # a VLAN without a number takes the tag away
            body = {name: value for name, value in body.items() if name != "vlan"}
            raw = {name: value for name, value in raw.items() if name != "vlan"}
        return super().change(call, raw, body)

    def remove(self, call: Call, raw: Body, body: Body) -> None:
        """Not the management network, and none that a card uses."""
        if raw["name"] == MANAGEMENT:
            raise refused(f"The Management Network ('{raw['name']}') is mandatory and cannot be removed.")
        profiles = [each["id"] for each in call.store.all("vnic_profile") if each["network"]["id"] == raw["id"]]
        used = [nic["name"] for nic in call.store.all("nic", None) if nic.get("vnic_profile", {}).get("id") in profiles]
        if used:
            raise conflict(f"Cannot remove Network. The network is used by the following VMs' interfaces: {', '.join(used)}.")
        for profile in profiles:
            call.store.delete("vnic_profile", profile)
        for cluster in call.store.parents("cluster_network", raw["id"]):
            call.store.delete("cluster_network", raw["id"], cluster)
        for attachment in call.store.all("network_attachment", None):
            if attachment["network"]["id"] == raw["id"]:
                call.store.delete("network_attachment", attachment["id"], attachment["host"]["id"])
        call.store.delete(self.kind, raw["id"])
        call.store.delete_children(raw["id"])
        data_center = call.need("data_center", raw["data_center"]["id"])
        call.event(Code.NETWORK_REMOVED, f"Finished Network {raw['name']} removal from Data Center: {data_center['name']}")

    def _check(self, call: Call, body: Body, raw: Body | None) -> None:
        action = "edit" if raw else "add"
        home = (raw or body)["data_center"]
        others = [each for each in call.store.all(self.kind) if each["data_center"] == home and (not raw or each["id"] != raw["id"])]
        if body.get("name") in [each["name"] for each in others]:
            said = (
                f"The name of the logical network '{body['name']}' is already used by an existing logical network in the same data-center."
            )
            raise conflict(f"Cannot {action} Network. {said}\n-Please choose a different name.")
        vlan = body.get("vlan", {}).get("id")
        if vlan is not None and (not vlan.isdecimal() or int(vlan) > LAST_VLAN):
            raise refused(f"VLAN ID must be a number between 0 and {LAST_VLAN}.")
        if vlan is not None and vlan in [each.get("vlan", {}).get("id") for each in others]:
            raise conflict(f"The specified VLAN ID ({vlan}) is already in use.")


class NetworksOfCluster(Collection):
    """Which networks a cluster has, and what for; the networks themselves are the data center's."""

    kind = "cluster_network"
    type_name = "Network"
    rel = "networks"
    title = "Network"
    stored = frozenset({"required", "display", "usages"})
    ignored = frozenset({"name", "description", "comment", "mtu", "stp", "vlan", "data_center", "cluster", "status"})
    children: ClassVar = {"networklabels": NetworkLabels(), "vnicprofiles": under(VnicProfiles, "network")}
    more_links = ("permissions",)

    def view(self, call: Call, raw: Body) -> Body:
        """The network, with what it is in this cluster."""
        network = call.need("network", raw["id"])
        usages = raw["usages"] + [usage for usage in network["usages"] if usage == "vm" and usage not in raw["usages"]]
        place = {"cluster": {"id": call.parent["id"]}, "required": raw["required"], "display": "display" in usages, "usages": usages}
        return network | place | {"status": "operational"}

    def add(self, call: Call, body: Body) -> Body:
        """A network of the cluster's data center."""
        found = _network(call, body)
        if call.parent.get("data_center") != found["data_center"]:
            raise refused("Cannot add Network. The specified Logical Network doesn't exist in the Data Center of the Cluster.")
        if call.store.get(self.kind, found["id"], call.parent["id"]):
            raise conflict("Logical Network is already attached to Cluster.")
        kept = {"id": found["id"], "required": body.get("required", True), "usages": _usages(body)}
        call.event(Code.NETWORK_ATTACHED, f"Network {found['name']} attached to Cluster {call.parent['name']}", cluster=call.parent["id"])
        return call.store.insert(self.kind, kept, call.parent["id"])

    def change(self, call: Call, raw: Body, body: Body) -> Body:
        """What it is for in this cluster."""
        if "display" in body or "usages" in body:
            body["usages"] = _usages(body)
        return call.store.save(self.kind, merged(raw, body), call.parent["id"])

    def remove(self, call: Call, raw: Body, body: Body) -> None:
        """Not the management network."""
        if "management" in raw["usages"]:
            raise refused(f"The Management Network ('{MANAGEMENT}') is mandatory and cannot be removed.")
        network = call.need("network", raw["id"])
        said = f"Network {network['name']} detached from Cluster {call.parent['name']}"
        call.event(Code.NETWORK_DETACHED, said, cluster=call.parent["id"])
        call.store.delete(self.kind, raw["id"], call.parent["id"])


def _usages(body: Body) -> list[str]:
    given = [usage for usage in body.get("usages", []) if usage != "vm"]
    return [*given, "display"] if body.get("display") and "display" not in given else given


def _network(call: Call, body: Body) -> Body:
    if body.get("id"):
        found = call.store.get("network", body["id"])
    elif body.get("name"):
        home = call.parent.get("data_center")
        found = next((each for each in call.store.all("network") if each["name"] == body["name"] and each["data_center"] == home), None)
    else:
        raise incomplete("Network", "id|name", "add")
    if found is None:
        raise not_found()
    return found


def add_management(call: Call, data_center: Body) -> Body:
    """The network hosts are managed over, which every data center has."""
    network: Body = {"name": MANAGEMENT, "description": "Management Network", "mtu": 0, "stp": False, "usages": ["vm"]}
    raw = call.store.insert("network", network | {"data_center": {"id": data_center["id"]}})
    add_profile(call, raw)
    return raw


def attach_management(call: Call, cluster: Body) -> None:
    """A new cluster has the management network it names, or that of its data center."""
    chosen = cluster.get("management_network", {}).get("id")
    candidates = [each for each in call.store.all("network") if each["data_center"] == cluster["data_center"]]
    found = next((each for each in candidates if each["id"] == chosen or (not chosen and each["name"] == MANAGEMENT)), None)
    if found is None:
        raise Fault(404)
    usages = ["management", "display", "migration", "default_route"]
    call.store.insert("cluster_network", {"id": found["id"], "required": True, "usages": usages}, cluster["id"])


def add_profile(call: Call, network: Body) -> None:
    """A profile of the network's own name."""
    profile: Body = {"name": network["name"], "network": {"id": network["id"]}, "pass_through": {"mode": "disabled"}}
    raw = call.store.insert("vnic_profile", profile | {"port_mirroring": False, "network_filter": {"id": NO_MAC_SPOOFING}})
    _tell_profile(call, raw, Code.PROFILE_ADDED, "was added to")


def remove_all(call: Call, data_center: Body) -> None:
    """The networks of a data center go with it."""
    for network in call.store.all("network"):
        if network["data_center"]["id"] == data_center["id"]:
            for profile in call.store.all("vnic_profile"):
                if profile["network"]["id"] == network["id"]:
                    call.store.delete("vnic_profile", profile["id"])
            for cluster in call.store.parents("cluster_network", network["id"]):
                call.store.delete("cluster_network", network["id"], cluster)
            for attachment in call.store.all("network_attachment", None):
                if attachment["network"]["id"] == network["id"]:
                    call.store.delete("network_attachment", attachment["id"], attachment["host"]["id"])
            call.store.delete("network", network["id"])


def _tell_profile(call: Call, profile: Body, code: Code, what: str) -> None:
    network = call.need("network", profile["network"]["id"])
    data_center = call.need("data_center", network["data_center"]["id"])
    said = f"VM network interface profile {profile['name']} {what} network {network['name']} in Data Center: {data_center['name']}. {BY}"
    call.event(code, said, data_center=data_center["id"])


Networks.keys = {
    "id": own("id"),
    "name": own("name"),
    "comment": own("comment"),
    "description": own("description"),
    "vlanid": own("vlan", "id"),
    "mtu": own("mtu"),
    "datacenter": name_of("data_center", "data_center"),
    "network_datacenter": name_of("data_center", "data_center"),
    "cluster_network.cluster_name": lambda call, raw: [
        call.need("cluster", id)["name"] for id in call.store.parents("cluster_network", raw["id"])
    ],
}

"""The cards of a hypervisor, and which logical networks are on them."""

from __future__ import annotations

from typing import Any, ClassVar

from lab.simulators.ovirt.backend import HypervisorFacts
from lab.simulators.ovirt.collection import Collection
from lab.simulators.ovirt.engine import Call
from lab.simulators.ovirt.errors import entity_not_found, incomplete, refused
from lab.simulators.ovirt.events import Code
from lab.simulators.ovirt.resources.networks import MANAGEMENT
from lab.simulators.ovirt.store import Body

HEEDED: tuple[str, ...] = ("modified_bonds", "modified_labels", "modified_network_attachments", "removed_bonds", "removed_labels")
HEEDED += ("removed_network_attachments", "synchronized_network_attachments")
READ_ONLY = frozenset({"list", "get"})


class NicLabels(Collection):
    """Labels of a card."""

    kind = "nic_label"
    type_name = "NetworkLabel"
    rel = "networklabels"
    methods = READ_ONLY


class NetworkAttachments(Collection):
    """Networks on cards; changed by the host's `setupnetworks`."""

    kind = "network_attachment"
    type_name = "NetworkAttachment"
    rel = "networkattachments"
    methods = READ_ONLY

    def view(self, call: Call, raw: Body) -> Body:
        """With what is really set up, which is what was asked for here."""
        shown: Body = {"in_sync": True, "ip_address_assignments": [], "reported_configurations": []} | raw
        nic = call.store.get("host_nic", raw["host_nic"]["id"], call.parents[0]["id"])
        host = f"/ovirt-engine/api/hosts/{call.parent['id']}"
        shown["host_nic"] = {"id": raw["host_nic"]["id"], "href": f"{host}/nics/{raw['host_nic']['id']}", "name": nic and nic["name"]}
        return shown


class AttachmentsOfNic(NetworkAttachments):
    """Those on one card."""

    def all(self, call: Call) -> list[Body]:
        """By their card."""
        return [each for each in call.store.all(self.kind, call.parents[0]["id"]) if each["host_nic"]["id"] == call.parent["id"]]

    def find(self, call: Call, id: str) -> Body | None:
        """By their card."""
        return next((each for each in self.all(call) if each["id"] == id), None)


class HostNics(Collection):
    """Cards as they were found, and bonds as they were set up."""

    kind = "host_nic"
    type_name = "HostNic"
    rel = "nics"
    methods = READ_ONLY
    children: ClassVar = {"networkattachments": AttachmentsOfNic(), "networklabels": NicLabels()}
    more_links = ("linklayerdiscoveryprotocolelements", "statistics", "virtualfunctionallowednetworks")

    def view(self, call: Call, raw: Body) -> Body:
        """Its host, and the untagged network on it."""
        shown: Body = raw | {"host": {"id": call.parent["id"]}}
        for attachment in call.store.all("network_attachment", call.parent["id"]):
            network = call.need("network", attachment["network"]["id"])
            if attachment["host_nic"]["id"] == raw["id"] and "vlan" not in network:
                shown["network"] = {"id": network["id"]}
        return shown


def found(call: Call, host: Body, facts: HypervisorFacts) -> None:
    """Keeps the cards that were found, and puts the management network on the first."""
    known = {nic["name"]: nic for nic in call.store.all("host_nic", host["id"])}
    for nic in facts.nics:
        body: Body = {"name": nic["name"], "mac": {"address": nic["mac"]}, "status": nic.get("status", "up"), "mtu": nic.get("mtu", 1500)}
        body |= {"boot_protocol": nic.get("boot_protocol", "none"), "bridged": False, "custom_configuration": False}
        if address := nic.get("address"):
            body["ip"] = {"address": address, "netmask": nic.get("netmask", ""), "version": "v4"}
        if nic["name"] in known:
            call.store.save("host_nic", known[nic["name"]] | body, host["id"])
        else:
            call.store.insert("host_nic", body, host["id"])
    cluster = call.need("cluster", host["cluster"]["id"])
    networks = {each["name"]: each for each in call.store.all("network") if each["data_center"] == cluster.get("data_center")}
    nics = call.store.all("host_nic", host["id"])
    if nics and MANAGEMENT in networks and not call.store.all("network_attachment", host["id"]):
        attachment = {"network": {"id": networks[MANAGEMENT]["id"]}, "host_nic": {"id": nics[0]["id"]}, "host": {"id": host["id"]}}
        call.store.insert("network_attachment", attachment, host["id"])


def setup(call: Call, host: Body, action: Body) -> None:
    """All of an action's changes, or none: the request's transaction ends with a refusal."""
    for nic in action.get("removed_bonds", []):
        _remove_bond(call, host, nic)
    for attachment in action.get("removed_network_attachments", []):
        call.store.delete("network_attachment", _find_attachment(call, host, attachment)["id"], host["id"])
    for nic in action.get("modified_bonds", []):
        _bond(call, host, nic)
    for attachment in action.get("modified_network_attachments", []):
        _attach(call, host, attachment)
    if action.get("modified_labels") or action.get("removed_labels"):
        raise refused("Network labels on host NICs are not simulated.", status=501)
    names = [call.need("network", each["network"]["id"])["name"] for each in call.store.all("network_attachment", host["id"])]
    said = f"(1/1): Successfully applied changes for network(s) {', '.join(names)} on host {host['name']}. (User: admin@internal-authz)"
    call.event(Code.NETWORKS_APPLIED, said, host=host["id"])


def _attach(call: Call, host: Body, wanted: Body) -> None:
    old = _find_attachment(call, host, wanted) if wanted.get("id") else None
    network = _network(call, host, wanted) if wanted.get("network") or not old else call.need("network", old["network"]["id"])
    nic = _nic(call, host, wanted["host_nic"]) if wanted.get("host_nic") else None
    if nic is None and old is None:
        raise incomplete("NetworkAttachment", "hostNic.name|id", "setupNetworks")
    same = [each for each in call.store.all("network_attachment", host["id"]) if each["network"]["id"] == network["id"]]
    if old is None and same:
        said = f"The following Logical Networks are attached to more than one Network Interface: {network['name']}."
        raise refused(f"Cannot setup Networks. {said}", status=409)
    nic_id = nic["id"] if nic else (old or {})["host_nic"]["id"]
    _check_card(call, host, nic_id, network, old)
    kept: Body = {name: wanted[name] for name in ("ip_address_assignments", "dns_resolver_configuration", "properties") if name in wanted}
    kept |= {"network": {"id": network["id"]}, "host_nic": {"id": nic_id}, "host": {"id": host["id"]}}
    if old:
        call.store.save("network_attachment", old | kept, host["id"])
    else:
        call.store.insert("network_attachment", kept, host["id"])


def _check_card(call: Call, host: Body, nic_id: str, network: Body, old: Body | None) -> None:
    """One card carries one untagged network at most."""
    if "vlan" in network:
        return
    for each in call.store.all("network_attachment", host["id"]):
        if each["host_nic"]["id"] != nic_id or each["network"]["id"] == network["id"] or (old and each["id"] == old["id"]):
            continue
        if "vlan" not in call.need("network", each["network"]["id"]):
            nic = call.need("host_nic", nic_id, host["id"])
            said = "The following Network Interfaces can have only a single VM Logical Network, or at most one non-VM Logical Network"
            raise refused(f"Cannot setup Networks. {said} and/or several VLAN Logical Networks: {nic['name']}.")


def _network(call: Call, host: Body, wanted: Body) -> Body:
    named = wanted.get("network", {})
    for id in [each["id"] for each in call.store.all("cluster_network", host["cluster"]["id"])]:
        network = call.need("network", id)
        if named and named.get("id") in (None, network["id"]) and named.get("name") in (None, network["name"]):
            return network
    said = "The following Logical Networks don't exist in the Host's Cluster"
    raise refused(f"Cannot setup Networks. {said}: {named.get('name') or named.get('id', '')}.")


def _nic(call: Call, host: Body, named: Body) -> Body:
    for nic in call.store.all("host_nic", host["id"]):
        if named.get("id") in (None, nic["id"]) and named.get("name") in (None, nic["name"]) and (named.get("id") or named.get("name")):
            return nic
    said = "The following Network Interfaces don't exist on the Host"
    raise refused(f"Cannot setup Networks. {said}: {named.get('name') or named.get('id', '')}.")


def _find_attachment(call: Call, host: Body, wanted: Body) -> Body:
    attachment = call.store.get("network_attachment", wanted.get("id", ""), host["id"])
    if attachment is None:
        raise entity_not_found("NetworkAttachment", f"id={wanted.get('id', '')}")
    return attachment


def _bond(call: Call, host: Body, wanted: Body) -> None:
    slaves: list[Any] = wanted.get("bonding", {}).get("slaves", [])
    known = {nic["name"]: nic for nic in call.store.all("host_nic", host["id"])}
    old = known.get(wanted.get("name", ""))
    if not old and len(slaves) < 2:
        said = f"The following Bonds consist of less than two Network Interfaces: {wanted.get('name', '')}."
        raise refused(f"Cannot setup Networks. {said}")
    found_slaves = [{"id": _nic(call, host, slave)["id"]} for slave in slaves]
    bonding = {"options": wanted.get("bonding", {}).get("options", [])} | ({"slaves": found_slaves} if slaves else {})
    if old:
        call.store.save("host_nic", old | {"bonding": old.get("bonding", {}) | bonding}, host["id"])
    else:
        body: Body = {"name": wanted.get("name") or "bond0", "bonding": bonding, "status": "up", "mtu": 1500, "boot_protocol": "none"}
        call.store.insert("host_nic", body, host["id"])


def _remove_bond(call: Call, host: Body, wanted: Body) -> None:
    nic = _nic(call, host, wanted)
    if "bonding" not in nic:
        raise refused(f"Cannot setup Networks. {nic['name']} is not a bond.")
    call.store.delete("host_nic", nic["id"], host["id"])

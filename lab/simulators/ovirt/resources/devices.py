"""What is in a virtual machine or a template: cards, disks, consoles, a CD drive, and what its guest reports."""

from __future__ import annotations

import re
from typing import ClassVar

from lab.simulators.ovirt.collection import Collection, own
from lab.simulators.ovirt.engine import Call
from lab.simulators.ovirt.errors import Fault, conflict, entity_not_found, incomplete, refused
from lab.simulators.ovirt.events import Code
from lab.simulators.ovirt.resources import disks
from lab.simulators.ovirt.resources.machines import free_mac
from lab.simulators.ovirt.store import Body

BY = "(User: admin@internal-authz)"
READ_ONLY = frozenset({"list", "get"})
MAC = re.compile(r"[0-9a-fA-F][02468aceACE](:[0-9a-fA-F]{2}){5}")


def owner(call: Call) -> Body:
    """The reference to the machine or template something belongs to."""
    return {"template" if call.parent.get("_is_template") else "vm": {"id": call.parent["id"]}}


class ReportedDevices(Collection):
    """Cards with their addresses, as the guest has them: read from what runs."""

    kind = "reported_device"
    type_name = "ReportedDevice"
    rel = "reporteddevices"
    methods = READ_ONLY

    def all(self, call: Call) -> list[Body]:
        """Those of the machine, or of one card of it."""
        machine = call.parents[0]
        found = [{"id": device["mac"] or device["name"], **_device(device)} for device in machine.get("_seen", {}).get("devices", [])]
        mac = call.parent.get("mac", {}).get("address", "").lower() if len(call.parents) > 1 else ""
        return [each | {"vm": {"id": machine["id"]}} for each in found if not mac or each["mac"]["address"].lower() == mac]

    def find(self, call: Call, id: str) -> Body | None:
        """One of them."""
        return next((each for each in self.all(call) if each["id"] == id), None)


def _device(device: Body) -> Body:
    ips = [{"address": ip["address"], "version": ip["version"]} for ip in device.get("ips", ())]
    return {"name": device["name"], "description": "guest reported data", "ips": ips, "mac": {"address": device["mac"]}, "type": "network"}


class Nics(Collection):
    """Cards."""

    kind = "nic"
    type_name = "Nic"
    rel = "nics"
    title = "Nic"
    stored = frozenset({"name", "description", "comment", "interface", "mac", "linked", "plugged"})
    references: ClassVar = {"vnic_profile": "vnic_profile"}
    ignored = frozenset({"on_boot", "boot_protocol", "network"})
    required = ("name",)
    actions = ("activate", "deactivate")
    keys: ClassVar = {"name": own("name")}  # the module of the collection lists nics with a search
    children: ClassVar = {"reporteddevices": ReportedDevices()}
    more_links = ("networkfilterparameters", "statistics")

    def view(self, call: Call, raw: Body) -> Body:
        """With the network of its profile, and what the guest reports of it."""
        shown = raw | owner(call)
        if profile := raw.get("vnic_profile"):
            found = call.store.get("vnic_profile", profile["id"])
            if found:
                shown["network"] = {"id": found["network"]["id"]}
        return shown

    def create(self, call: Call, body: Body) -> Body:
        """With an address of the cluster's pool where none is given."""
        if any(nic["name"] == body["name"] for nic in self.all(call)):
            raise conflict("Cannot add Interface. Network interface name is already in use.")
        self._check(call, body, "add")
        cluster = call.need("cluster", call.parent["cluster"]["id"])
        if not call.parent.get("_is_template"):
            body.setdefault("mac", {"address": free_mac(call, cluster)})
        raw = super().create(call, {"interface": "virtio", "linked": True, "plugged": True} | body)
        said = f"Interface {raw['name']} ({raw['interface']}) was added to VM {call.parent['name']}. {BY}"
        call.event(Code.NIC_ADDED, said, vm=call.parent["id"])
        return raw

    def change(self, call: Call, raw: Body, body: Body) -> Body:
        """Most of it also while the machine runs."""
        self._check(call, body, "edit", raw["id"])
        said = f"Interface {raw['name']} ({raw['interface']}) was updated for VM {call.parent['name']}. {BY}"
        call.event(Code.NIC_UPDATED, said, vm=call.parent["id"])
        return super().change(call, raw, body)

    def remove(self, call: Call, raw: Body, body: Body) -> None:
        """Unplugged or stopped first."""
        if call.parent.get("status") not in (None, "down", "ok") and raw["plugged"]:
            raise conflict("Cannot remove Interface. The VM Network Interface is plugged to a running VM.")
        said = f"Interface {raw['name']} ({raw['interface']}) was removed from VM {call.parent['name']}. {BY}"
        call.event(Code.NIC_REMOVED, said, vm=call.parent["id"])
        super().remove(call, raw, body)

    def act_activate(self, call: Call, raw: Body, action: Body) -> None:
        """Plugged in."""
        call.store.save(self.kind, raw | {"plugged": True}, call.parent["id"])

    def act_deactivate(self, call: Call, raw: Body, action: Body) -> None:
        """Unplugged."""
        call.store.save(self.kind, raw | {"plugged": False}, call.parent["id"])

    def _check(self, call: Call, body: Body, action: str, self_id: str = "") -> None:
        mac = body.get("mac", {}).get("address")
        if mac is not None and not MAC.fullmatch(mac):
            raise refused(f"Cannot {action} Interface. The specified MAC Address cannot be set.\n-Please check MAC Address validity.")
        for nic in call.store.all("nic", None) if mac else []:
            if nic["id"] != self_id and nic.get("mac", {}).get("address", "").lower() == str(mac).lower():
                users = [call.store.get("vm", vm) for vm in call.store.parents("nic", nic["id"])]
                raise conflict(f"MAC Address {mac} is already in use by VM or snapshot: {', '.join(vm['name'] for vm in users if vm)}.")
        profile = body.get("vnic_profile")
        if profile and profile.get("id"):
            network = call.need("vnic_profile", profile["id"])["network"]["id"]
            if not call.store.get("cluster_network", network, call.parent["cluster"]["id"]):
                raise refused(f"Cannot {action} Interface. The specified Logical Network doesn't exist in the current Cluster.")

    def refer(self, call: Call, element: str, value: Body) -> Body:
        """No profile at all is asked for with an empty element."""
        return {"id": ""} if element == "vnic_profile" and not value else super().refer(call, element, value)


class DiskAttachments(Collection):
    """Disks in a machine or a template; each has the id of its disk."""

    kind = "disk_attachment"
    type_name = "DiskAttachment"
    rel = "diskattachments"
    title = "DiskAttachment"
    stored = frozenset({"active", "bootable", "interface", "pass_discard", "read_only", "uses_scsi_reservation"})
    ignored = frozenset({"disk", "vm", "logical_name"})
    required = ("interface", "bootable")

    def view(self, call: Call, raw: Body) -> Body:
        """With whose it is."""
        return raw | {"disk": {"id": raw["id"]}} | owner(call)

    def add(self, call: Call, body: Body) -> Body:
        """A disk that is there, or a new one."""
        if call.parent.get("_is_template"):
            raise Fault(405)
        for name in self.required:
            if name not in body:
                raise incomplete(self.title, name, "add")
        if body["bootable"] and any(each["bootable"] for each in self.all(call)):
            raise conflict(f"Cannot add Virtual Disk. VM {call.parent['name']} already has a bootable disk.")
        disk = body.get("disk", {})
        kept = self.accept(call, body, None)
        if disk.get("id"):
            found = call.store.get("disk", disk["id"])
            if found is None:
                raise entity_not_found("Disk", f"id={disk['id']}")
            self._check_free(call, found)
        else:
            found = disks.Disks().add(call, dict(disk))
        said = f"Disk {found['name']} was successfully attached to VM {call.parent['name']} by admin@internal-authz."
        call.event(Code.DISK_ATTACHED, said, vm=call.parent["id"])
        return call.store.insert(self.kind, attachment(found["id"], kept), call.parent["id"])

    def update(self, call: Call, raw: Body, body: Body) -> Body:
        """The disk in it is changed with it."""
        if disk := body.get("disk"):
            found = call.need("disk", raw["id"])
            changes = {name: value for name, value in disk.items() if name not in ("id", "storage_domains")}
            if any(found.get(name) != value for name, value in disks.Disks().accept(call, changes, found).items()):
                disks.Disks().update(call, found, changes)
        return super().update(call, raw, body)

    def remove(self, call: Call, raw: Body, body: Body) -> None:
        """Detached; with `detach_only=false` the disk goes too."""
        if call.parent["status"] != "down" and raw["active"]:
            raise conflict("Cannot detach Virtual Disk. The disk is active in a running VM; deactivate it first.")
        call.store.delete(self.kind, raw["id"], call.parent["id"])
        disk = call.need("disk", raw["id"])
        said = f"Disk {disk['name']} was successfully detached from VM {call.parent['name']} by admin@internal-authz."
        call.event(Code.DISK_DETACHED, said, vm=call.parent["id"])
        if call.query.get("detach_only", "true").lower() == "false":
            disks.remove(call, disk)

    def _check_free(self, call: Call, disk: Body) -> None:
        owners = call.store.parents(self.kind, disk["id"])
        if call.parent["id"] in owners:
            raise conflict("Cannot attach Virtual Disk. The disk is already attached to VM.")
        if owners and not disk["shareable"]:
            raise conflict("Cannot attach Virtual Disk. The disk is not shareable and is already attached to a VM.")
        if disk["status"] != "ok":
            raise disks.locked("attach", disk)


def attachment(disk: str, body: Body) -> Body:
    """An attachment with the engine's values for what is not given."""
    defaults = {"active": True, "bootable": False, "interface": "virtio_scsi", "pass_discard": False, "read_only": False}
    return defaults | {"uses_scsi_reservation": False} | body | {"id": disk}


class GraphicsConsoles(Collection):
    """Consoles."""

    kind = "graphics_console"
    type_name = "GraphicsConsole"
    rel = "graphicsconsoles"
    title = "GraphicsConsole"
    stored = frozenset({"protocol"})
    required = ("protocol",)
    methods = frozenset({"list", "get", "add", "remove"})

    def view(self, call: Call, raw: Body) -> Body:
        """With whose it is."""
        return raw | owner(call)


class Cdroms(Collection):
    """The CD drive, which is empty; media are not simulated."""

    kind = "cdrom"
    type_name = "Cdrom"
    rel = "cdroms"
    methods = READ_ONLY

    def view(self, call: Call, raw: Body) -> Body:
        """With whose it is."""
        return raw | owner(call)


def copy_all(call: Call, source: str, target: str, cluster: Body | None) -> None:
    """Cards and consoles of one machine or template for another; with a cluster every card gets an address of its pool."""
    for nic in call.store.all("nic", source):
        new = {name: value for name, value in nic.items() if name not in ("id", "mac")}
        if cluster:
            new["mac"] = {"address": free_mac(call, cluster)}
        call.store.insert("nic", new, target)
    for console in call.store.all("graphics_console", source):
        call.store.insert("graphics_console", {"protocol": console["protocol"]}, target)
    call.store.insert("cdrom", {}, target)

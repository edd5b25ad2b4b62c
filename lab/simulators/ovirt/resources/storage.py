"""Storage domains: made on an export that was really written to, attached to a data center, activated, and taken away again."""

from __future__ import annotations

from typing import Any, ClassVar

from lab.simulators.ovirt.backend import BackendError, Room
from lab.simulators.ovirt.collection import Collection, own
from lab.simulators.ovirt.engine import Call, task
from lab.simulators.ovirt.errors import conflict, entity_not_found, incomplete, not_simulated, refused
from lab.simulators.ovirt.events import Code
from lab.simulators.ovirt.store import Body

ADMIN = "admin@internal-authz"
FORMATS = {"data": "v5", "iso": "v1", "export": "v1"}
NO_ACCESS = (
    "Permission settings on the specified path do not allow access to the storage.\n"
    "Verify permission settings on the specified storage path."
)
OCCUPIED = "Cannot {} Storage. The storage path {}:{} is already used by Storage Domain {}."


class ExportedVms(Collection):
    """Virtual machines an export domain holds."""

    kind = "exported_vm"
    type_name = "Vm"
    rel = "vms"
    methods = frozenset({"list", "get", "remove"})


class DiskProfiles(Collection):
    """Limits for disks; one per domain, which has none."""

    kind = "disk_profile"
    type_name = "DiskProfile"
    rel = "diskprofiles"
    methods = frozenset({"list", "get"})
    more_links = ("permissions",)


class StorageDomains(Collection):
    """Storage domains, wherever they are attached."""

    kind = "storage_domain"
    type_name = "StorageDomain"
    rel = "storagedomains"
    title = "StorageDomain"
    stored = frozenset({"name", "description", "comment", "type", "storage", "storage_format", "warning_low_space_indicator", "backup"})
    stored |= {"critical_space_action_blocker", "discard_after_delete", "wipe_after_delete"}
    ignored = frozenset({"host", "data_center"})
    required = ("name", "type", "storage", "host")
    immutable = frozenset({"type"})
    unique_name = "Cannot {action} Storage. The Storage Domain name is already in use."
    actions = ("updateovfstore",)
    more_actions = ("activate", "deactivate", "isattached", "reduceluns", "refreshluns")
    empty = ("disksnapshots", "files", "images", "storageconnections")
    more_links = ("permissions",)

    def view(self, call: Call, raw: Body) -> Body:
        """With a status only while it is attached nowhere, as the engine does."""
        homes = call.store.parents("attached_domain", raw["id"])
        shown: Body = {name: value for name, value in raw.items() if not name.startswith("_")}
        shown["master"] = is_master(call, raw)
        if homes:
            shown["data_centers"] = [{"id": home, "href": f"/ovirt-engine/api/datacenters/{home}"} for home in homes]
            shown |= room(call, raw)
        else:
            shown["status"] = "unattached"
        return shown

    def add(self, call: Call, body: Body) -> Body:
        """On a host that is up, which writes to the storage."""
        storage = body.get("storage", {})
        if storage.get("type") != "nfs":
            raise not_simulated(f"storage of type {storage.get('type')!r}")
        for element in ("address", "path"):
            if not storage.get(element):
                raise incomplete("StorageDomain", f"storage.{element}", "add")
        return super().add(call, body)

    def accept(self, call: Call, body: Body, raw: Body | None) -> Body:
        """The host that does the work is named and not kept."""
        if raw is None:
            _host(call, body["host"])
        return super().accept(call, body, raw)

    def create(self, call: Call, body: Body) -> Body:
        """Nothing is kept of a domain whose export cannot be written to."""
        storage = body["storage"]
        for other in call.store.all(self.kind):
            if (other["storage"]["address"], other["storage"]["path"]) == (storage["address"], storage["path"]):
                raise conflict(OCCUPIED.format("add", storage["address"], storage["path"], other["name"]))
        found = _check(call, storage, "add", body["name"])
        defaults: Body = {
            "backup": False,
            "committed": 0,
            "critical_space_action_blocker": 5,
            "description": "",
            "discard_after_delete": False,
            "external_status": "ok",
            "storage_format": FORMATS[body["type"]],
            "supports_discard": False,
            "supports_discard_zeroes_data": False,
            "warning_low_space_indicator": 10,
            "wipe_after_delete": False,
            "_room": {"available": found.available, "used": found.used},
        }
        raw = super().create(call, defaults | body)
        if body["type"] == "data":
            call.store.insert("disk_profile", {"name": raw["name"], "storage_domain": {"id": raw["id"]}})
        call.event(Code.DOMAIN_ADDED, f"Storage Domain {raw['name']} was added by {ADMIN}", storage_domain=raw["id"])
        return raw

    def change(self, call: Call, raw: Body, body: Body) -> Body:
        """With an event."""
        call.event(Code.DOMAIN_UPDATED, f"Storage Domain {raw['name']} was updated by {ADMIN}", storage_domain=raw["id"])
        return super().change(call, raw, body)

    def remove(self, call: Call, raw: Body, body: Body) -> None:
        """Only where it is attached nowhere; data has to be said to go."""
        if call.store.parents("attached_domain", raw["id"]):
            raise refused("Cannot remove Storage. The Storage Domain is attached to a Data Center.\n-Please detach it and try again.")
        if not call.flag("destroy"):
            if not call.query.get("host"):
                raise incomplete("StorageDomain", "host.id|name", "remove")
            _host(call, {"id": call.query["host"]} if _known(call, call.query["host"]) else {"name": call.query["host"]})
            if raw["type"] == "data" and not call.flag("format"):
                said = "Cannot remove Storage Domain. Data storage must be formatted after remove."
                raise refused(f"{said}\n-Please verify that Format option is enabled on the Data Domain.")
        for profile in call.store.all("disk_profile"):
            if profile["storage_domain"]["id"] == raw["id"]:
                call.store.delete("disk_profile", profile["id"])
        super().remove(call, raw, body)
        call.event(Code.DOMAIN_REMOVED, f"Storage Domain {raw['name']} was removed by {ADMIN}")

    def act_updateovfstore(self, call: Call, raw: Body, action: Body) -> None:
        """Descriptions of machines are always on the domain here."""
        if not call.store.parents("attached_domain", raw["id"]):
            raise refused("Cannot update Storage. The Storage Domain is not attached to a Data Center.")


class AttachedDomains(Collection):
    """The storage domains of one data center."""

    kind = "attached_domain"
    type_name = "StorageDomain"
    rel = "storagedomains"
    title = "StorageDomain"
    stored = frozenset({"name"})
    ignored = StorageDomains.stored | {"storage", "host", "data_center"}
    methods = frozenset({"list", "get", "add", "remove"})
    actions = ("activate", "deactivate")
    heeded: ClassVar = {"deactivate": ("force",)}
    more_links = ("disks", "permissions")

    def view(self, call: Call, raw: Body) -> Body:
        """The domain, with what it is here."""
        domain = call.need("storage_domain", raw["id"])
        shown = {name: value for name, value in domain.items() if not name.startswith("_")}
        here = {"status": raw["status"], "master": raw["master"], "data_center": {"id": call.parent["id"]}}
        return shown | here | (room(call, domain) if raw["status"] == "active" else {})

    def add(self, call: Call, body: Body) -> Body:
        """Locked first; the first with data becomes the master."""
        domain = call.store.get("storage_domain", body["id"]) if body.get("id") else None
        if body.get("name") and not body.get("id"):
            domain = next((each for each in call.store.all("storage_domain") if each["name"] == body["name"]), None)
        if not body.get("id") and not body.get("name"):
            raise incomplete("StorageDomain", "id|name", "add")
        if domain is None:
            raise entity_not_found("StorageDomain", f"id={body['id']}" if body.get("id") else f"name={body['name']}")
        if call.store.parents(self.kind, domain["id"]):
            said = "Cannot attach Storage. Storage Domain is already attached to a Data Center. If the Storage Domain already contains data"
            raise conflict(f"{said}, you may import it.")
        _need_active_host(call, call.parent, "attach")
        others = [call.need("storage_domain", each["id"]) for each in self.all(call)]
        has_data = any(other["type"] == "data" for other in others)
        if domain["type"] != "data" and not has_data:
            raise refused("Cannot attach Storage Domain.\n-Please attach Data Domain to the Data Center first.")
        if domain["type"] in ("iso", "export") and any(other["type"] == domain["type"] for other in others):
            kind = "ISO" if domain["type"] == "iso" else "Import/Export"
            raise refused(
                f"Cannot attach more than one {kind} Storage Domain to the same Data Center. If you want to use a newly created Domain, "
                "detach the existing attached Domain and attach the new one."
            )
        kept = {"id": domain["id"], "name": domain["name"], "status": "locked", "master": domain["type"] == "data" and not has_data}
        raw = call.store.insert(self.kind, kept, call.parent["id"])
        said = f"Storage Domain {domain['name']} was attached to Data Center {call.parent['name']} by {ADMIN}"
        call.event(Code.DOMAIN_ATTACHED, said, storage_domain=domain["id"], data_center=call.parent["id"])
        job = f"Attaching Storage Domain {domain['name']} to Data Center {call.parent['name']}"
        call.later("domain.active", "storage", job, domain=domain["id"], data_center=call.parent["id"])
        return raw

    def remove(self, call: Call, raw: Body, body: Body) -> None:
        """Detaches: only from maintenance, not the last master, and not what still holds disks."""
        if raw["status"] not in ("maintenance", "inactive"):
            said = f"Cannot detach Storage. Storage status is {raw['status'].replace('_', ' ').title().replace(' ', '')}."
            raise conflict(f"{said}\n-Please check Storage Domain and retry the operation.")
        if raw["master"]:
            raise refused(
                "Cannot remove the master Storage Domain from the Data Center without another active Storage Domain to take its place.\n"
                "-Either activate another Storage Domain in the Data Center, or remove the Data Center."
            )
        if _disks_on(call, raw["id"]):
            raise refused("Cannot detach a non empty Storage Domain.\n-Please remove all VMs / Templates / Disks and try again.")
        call.store.delete(self.kind, raw["id"], call.parent["id"])
        said = f"Storage Domain {raw['name']} was detached from Data Center {call.parent['name']} by {ADMIN}"
        call.event(Code.DOMAIN_DETACHED, said, storage_domain=raw["id"], data_center=call.parent["id"])

    def act_activate(self, call: Call, raw: Body, action: Body) -> None:
        """From maintenance."""
        if raw["status"] in ("active", "activating", "locked"):
            raise conflict(f"Cannot activate Storage. Storage status is {raw['status'].title()}.")
        _need_active_host(call, call.parent, "activate")
        call.store.save(self.kind, raw | {"status": "activating"}, call.parent["id"])
        job = f"Activating Storage Domain {raw['name']} in Data Center {call.parent['name']}"
        call.later("domain.active", "storage", job, domain=raw["id"], data_center=call.parent["id"])

    def act_deactivate(self, call: Call, raw: Body, action: Body) -> None:
        """Into maintenance, when nothing is at work on it."""
        if raw["status"] not in ("active", "unknown", "inactive"):
            raise conflict(f"Cannot deactivate Storage. Storage status is {raw['status'].title()}.")
        others = [each for each in self.all(call) if each["id"] != raw["id"]]
        not_data = [each for each in others if call.need("storage_domain", each["id"])["type"] != "data"]
        if raw["master"] and any(each["status"] == "active" for each in not_data):
            raise refused(
                "Cannot deactivate a Master Storage Domain while there are active non-data domains in the Data Center.\n"
                "-Please deactivate all the non-data domains first."
            )
        disks = {disk["id"] for disk in _disks_on(call, raw["id"])}
        if _is_transferred(call, disks):
            raise refused("Cannot deactivate Storage. Please pause or cancel all active disk uploads and downloads first.")
        if _is_run(call, disks):
            raise conflict(
                "Cannot deactivate Storage. Active VMs were detected.\n"
                "-Please ensure all VMs associated with this Storage Domain are stopped and in the Down state first."
            )
        call.store.save(self.kind, raw | {"status": "preparing_for_maintenance"}, call.parent["id"])
        said = (
            f"Storage Domain {raw['name']} (Data Center {call.parent['name']}) was deactivated and has moved to 'Preparing for maintenance'"
        )
        said += " until it will no longer be accessed by any Host of the Data Center."
        call.event(Code.DOMAIN_DEACTIVATED, said, storage_domain=raw["id"], data_center=call.parent["id"])
        call.later("domain.maintenance", "storage", domain=raw["id"], data_center=call.parent["id"])


@task("domain.active")
def activated(call: Call, args: Body, result: None) -> None:
    """Its data center uses it."""
    raw = call.store.get("attached_domain", args["domain"], args["data_center"])
    if raw and raw["status"] in ("locked", "activating"):
        call.store.save("attached_domain", raw | {"status": "active"}, args["data_center"])
        name = call.need("data_center", args["data_center"])["name"]
        said = f"Storage Domain {raw['name']} (Data Center {name}) was activated by {ADMIN}"
        call.event(Code.DOMAIN_ACTIVATED, said, storage_domain=raw["id"], data_center=args["data_center"])


@task("domain.maintenance")
def in_maintenance(call: Call, args: Body, result: None) -> None:
    """Nobody uses it; where another active data domain is there, that becomes the master."""
    raw = call.store.get("attached_domain", args["domain"], args["data_center"])
    if not raw or raw["status"] != "preparing_for_maintenance":
        return
    if raw["master"]:
        for other in call.store.all("attached_domain", args["data_center"]):
            is_data = call.need("storage_domain", other["id"])["type"] == "data"
            if other["id"] != raw["id"] and other["status"] == "active" and is_data:
                call.store.save("attached_domain", other | {"master": True}, args["data_center"])
                raw["master"] = False
                break
    call.store.save("attached_domain", raw | {"status": "maintenance"}, args["data_center"])


def is_master(call: Call, raw: Body) -> bool:
    """Whether its data center's master is this one."""
    homes = call.store.parents("attached_domain", raw["id"])
    return any(call.need("attached_domain", raw["id"], home)["master"] for home in homes)


def room(call: Call, raw: Body) -> Body:
    """What the export had left when it was looked at, less what the simulator's disks take since."""
    disks = _disks_on(call, raw["id"])
    taken = sum(int(disk.get("_taken", 0)) for disk in disks)
    found = raw["_room"]
    committed = sum(int(disk["provisioned_size"]) for disk in disks)
    return {"available": max(0, found["available"] - taken), "used": found["used"] + taken, "committed": committed}


def active_home(call: Call, domain: Body, action: str, what: str) -> str:
    """The data center an active domain is attached to.

    Raises Fault where the domain is not active anywhere, or no host is up.
    """
    for home in call.store.parents("attached_domain", domain["id"]):
        if call.need("attached_domain", domain["id"], home)["status"] == "active":
            _need_active_host(call, call.need("data_center", home), action, what)
            return home
    said = f"Cannot {action} {what}. The relevant Storage Domain is inaccessible."
    raise refused(f"{said}\n-Please handle Storage Domain issues and retry the operation.")


def _check(call: Call, storage: Body, action: str, name: str) -> Room:
    try:
        with call.store.paused():
            return call.engine.backend.check_export(storage["address"], storage["path"])
    except BackendError as error:
        cause = str(error)
    said = f"Failed to {action} Storage Domain {name}. (User: {ADMIN})"
    with call.store.paused(), call.store.transaction():  # the refusal ends this request's transaction, and the event has to stay
        call.event(Code.DOMAIN_ADD_FAILED, f"{said}: {cause}")
    raise refused(NO_ACCESS, cause)


def _host(call: Call, named: Body) -> Body:
    for host in call.store.all("host"):
        if named.get("id") in (None, host["id"]) and named.get("name") in (None, host["name"]):
            if host["status"] != "up":
                raise conflict(f"Cannot add Storage Connection. Host {host['name']} is not up.")
            return host
    raise entity_not_found("Host", f"id={named['id']}" if named.get("id") else f"name={named.get('name', '')}")


def _known(call: Call, host: str) -> bool:
    return call.store.get("host", host) is not None


def _need_active_host(call: Call, data_center: Body, action: str, what: str = "Storage") -> None:
    clusters = {each["id"] for each in call.store.all("cluster") if each.get("data_center", {}).get("id") == data_center["id"]}
    if not any(host["status"] == "up" and host["cluster"]["id"] in clusters for host in call.store.all("host")):
        raise conflict(f"Cannot {action} {what}. There is no active Host in the Data Center.")


def _disks_on(call: Call, domain: str) -> list[Body]:
    return [disk for disk in call.store.all("disk") if any(each["id"] == domain for each in disk["storage_domains"])]


def _is_run(call: Call, disks: set[str]) -> bool:
    running = [vm["id"] for vm in call.store.all("vm") if vm["status"] not in ("down", "image_locked", "suspended")]
    return any(each["id"] in disks for vm in running for each in call.store.all("disk_attachment", vm))


def _is_transferred(call: Call, disks: set[str]) -> bool:
    return any(each["_disk"] in disks and each["phase"] in ("initializing", "transferring") for each in call.store.all("image_transfer"))


def _data_centers(call: Call, raw: Body) -> list[Any]:
    return [call.need("data_center", home)["name"] for home in call.store.parents("attached_domain", raw["id"])]


def _status(call: Call, raw: Body) -> Any:
    homes = call.store.parents("attached_domain", raw["id"])
    return call.need("attached_domain", raw["id"], homes[0])["status"] if homes else "unattached"


StorageDomains.keys = {
    "id": own("id"),
    "name": own("name"),
    "comment": own("comment"),
    "description": own("description"),
    "type": own("storage", "type"),
    "datacenter": _data_centers,
    "datacenter.name": _data_centers,
    "status": _status,
    "size": lambda call, raw: room(call, raw)["available"] // 1024**3,
}
__all__ = ["AttachedDomains", "DiskProfiles", "ExportedVms", "StorageDomains", "active_home", "is_master", "room"]

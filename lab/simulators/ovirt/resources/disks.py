"""Disks: files, made and removed in the background."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from lab.simulators.ovirt import images
from lab.simulators.ovirt.collection import Collection, own
from lab.simulators.ovirt.engine import Call, Engine, task
from lab.simulators.ovirt.errors import conflict, entity_not_found, incomplete, not_found, refused
from lab.simulators.ovirt.events import Code
from lab.simulators.ovirt.resources import storage
from lab.simulators.ovirt.store import Body

ADMIN = "admin@internal-authz"
ENDED = ("finished_success", "finished_failure", "finished_cleanup", "cancelled_system", "cancelled_user")


class Disks(Collection):
    """All disks, attached or not."""

    kind = "disk"
    type_name = "Disk"
    rel = "disks"
    title = "Disk"
    stored = frozenset({"name", "alias", "description", "provisioned_size", "format", "sparse", "storage_domains", "content_type"})
    stored |= {"shareable", "wipe_after_delete", "propagate_errors", "sgio", "backup"}
    references: ClassVar = {"disk_profile": "disk_profile"}
    ignored = frozenset({"initial_size", "bootable", "interface", "active", "storage_domain", "quota", "qcow_version"})
    required = ("provisioned_size", "format")
    actions = ("copy", "move")
    heeded: ClassVar = {"copy": ("disk", "name", "storage_domain"), "move": ("storage_domain",)}
    more_actions = ("convert", "export", "reduce", "refreshlun", "sparsify")
    more_links = ("disksnapshots", "permissions", "statistics")

    def view(self, call: Call, raw: Body) -> Body:
        """Its size on disk is that of its file."""
        file = images.path(call.engine.images, raw)
        shown = {name: value for name, value in raw.items() if not name.startswith("_")}
        shown |= {"actual_size": images.taken(file), "total_size": images.taken(file), "storage_type": "image"}
        shown["storage_domains"] = [
            {"id": each["id"], "href": f"/ovirt-engine/api/storagedomains/{each['id']}"} for each in raw["storage_domains"]
        ]
        if raw["format"] == "cow":
            shown["qcow_version"] = "qcow2_v3"
        return shown

    def add(self, call: Call, body: Body) -> Body:
        """A name may be given as alias, and the domain as one or in a list."""
        if "alias" in body:
            body.setdefault("name", body["alias"])
        if "storage_domain" in body:
            body.setdefault("storage_domains", [body["storage_domain"]])
        if body.get("lun_storage"):
            return super().add(call, body)  # refused as not simulated
        if not body.get("storage_domains"):
            raise incomplete("Disk", "storageDomains.storageDomain.id|name", "add")
        return super().add(call, body)

    def create(self, call: Call, body: Body) -> Body:
        """Locked until its file is there."""
        domain = find_domain(call, body["storage_domains"][0])
        check_room(call, domain, int(body["provisioned_size"]) if not body.get("sparse", True) else 0)
        raw = described(body, domain, call.query.get("unregistered", ""))
        raw = call.store.insert(self.kind, raw)
        call.event(Code.DISK_STARTED, f"Add-Disk operation of '{raw['name']}' was initiated by {ADMIN}.", storage_domain=domain["id"])
        call.later("disk.create", "disk", f"Creating Disk {raw['name']} on Storage Domain {domain['name']}", disk=raw["id"])
        return raw

    def parent_id(self, call: Call) -> str:
        """At the root, also where a disk is changed through a machine."""
        return ""

    def accept(self, call: Call, body: Body, raw: Body | None) -> Body:
        """A new size, name or description; the rest of a disk is what it was made as."""
        kept = super().accept(call, body, raw)
        if raw:
            kept.pop("storage_domains", None)
        return kept

    def change(self, call: Call, raw: Body, body: Body) -> Body:
        """It may grow."""
        if raw["status"] != "ok":
            raise locked("edit", raw)
        size = int((raw | body)["provisioned_size"])
        if size < int(raw["provisioned_size"]):
            raise refused("Cannot edit Virtual Disk. New disk size must be larger than the current disk size.")
        if size > int(raw["provisioned_size"]):
            body["status"] = "locked"
            call.later("disk.resize", "disk", f"Extending Disk {raw['name']}", disk=raw["id"])
        for name in ("format", "content_type", "sparse"):
            if name in body and body[name] != raw.get(name):
                raise refused(f"Cannot edit Virtual Disk. The {name} of a disk cannot be changed.")
        if "alias" in body or "name" in body:
            body["name"] = body["alias"] = body.get("name", body.get("alias"))
        return super().change(call, raw, body)

    def remove(self, call: Call, raw: Body, body: Body) -> None:
        """Not while it is used or moved about."""
        remove(call, raw)

    def act_copy(self, call: Call, raw: Body, action: Body) -> Body:
        """Another disk with the same content."""
        if raw["status"] != "ok":
            raise locked("copy", raw)
        domain = find_domain(call, action.get("storage_domain") or raw["storage_domains"][0], "copy")
        name = action.get("disk", {}).get("name") or action.get("disk", {}).get("alias") or action.get("name") or raw["name"]
        new = described(raw | {"name": name, "alias": name}, domain)
        call.store.insert(self.kind, new)
        call.later("disk.copy", "disk", f"Copying Disk {raw['name']} to {domain['name']}", disk=new["id"], source=raw["id"])
        return {"disk": {"id": new["id"]}}

    def act_move(self, call: Call, raw: Body, action: Body) -> None:
        """On another domain; the file stays where the simulator keeps all of them."""
        if raw["status"] != "ok":
            raise locked("move", raw)
        domain = find_domain(call, action.get("storage_domain", {}), "move")
        call.store.save(self.kind, raw | {"status": "locked", "storage_domains": [{"id": domain["id"]}]})
        call.later("disk.ok", "disk", f"Moving Disk {raw['name']} to {domain['name']}", disk=raw["id"])


class DisksOfDomain(Disks):
    """Those of one storage domain."""

    def all(self, call: Call) -> list[Body]:
        """By what they say of themselves."""
        return [disk for disk in call.store.all(self.kind) if any(each["id"] == call.parent["id"] for each in disk["storage_domains"])]

    def find(self, call: Call, id: str) -> Body | None:
        """By what they say of themselves."""
        return next((each for each in self.all(call) if each["id"] == id), None)

    def parent_id(self, call: Call) -> str:
        """They are kept as all disks are."""
        return ""

    def add(self, call: Call, body: Body) -> Body:
        """The domain is that of the address."""
        return super().add(call, body | {"storage_domains": [{"id": call.parent["id"]}]})


def described(body: Body, domain: Body, id: str = "") -> Body:
    """A disk to be made."""
    raw: Body = {
        "content_type": "data",
        "description": "",
        "propagate_errors": False,
        "shareable": False,
        "wipe_after_delete": False,
        "backup": "none",
        "sparse": body.get("format") == "cow",
    }
    raw |= {name: value for name, value in body.items() if name not in ("id", "storage_domains", "status") and not name.startswith("_")}
    name = raw.get("name") or raw.get("alias") or "disk"
    raw |= {"name": name, "alias": name, "status": "locked", "storage_domains": [{"id": domain["id"]}], "_taken": 0}
    if raw["format"] == "cow" and not raw["sparse"]:
        raise refused("Cannot add Virtual Disk. The selected disk configuration is not supported.")
    return raw


def find_domain(call: Call, named: Body, action: str = "add") -> Body:
    """An active domain for data, by id or name."""
    for domain in call.store.all("storage_domain"):
        if named.get("id") in (None, domain["id"]) and named.get("name") in (None, domain["name"]) and named:
            storage.active_home(call, domain, action, "Virtual Disk")
            if domain["type"] != "data":
                raise refused(f"Cannot {action} Virtual Disk. The Storage Domain {domain['name']} is not a data domain.")
            return domain
    raise entity_not_found("StorageDomain", f"id={named['id']}" if named.get("id") else f"name={named.get('name', '')}")


def check_room(call: Call, domain: Body, size: int) -> None:
    """Refuses what does not fit."""
    free = storage.room(call, domain)["available"]
    critical = int(domain["critical_space_action_blocker"]) * 1024**3
    if size > free or free < critical:
        raise refused(f"Cannot add Virtual Disk. Low disk space on Storage Domain {domain['name']}.")


def locked(action: str, raw: Body) -> Exception:
    """Something is being done with it, or it is broken."""
    if raw["status"] == "illegal":
        return refused(f"Cannot {action} Virtual Disk. Disk {raw['name']} is illegal. Illegal disks can only be deleted.")
    return conflict(f"Cannot {action} Virtual Disk: Disk is locked. Please try again later.")


def remove(call: Call, raw: Body) -> None:
    """Forgets a disk, and drops its file when that is certain."""
    for transfer in call.store.all("image_transfer"):
        if transfer["_disk"] == raw["id"] and transfer["phase"] not in ENDED:
            raise conflict(f"Cannot remove Virtual Disk. Disk {raw['name']} is being transferred.")
    if raw["status"] == "locked":
        raise locked("remove", raw)
    for owner in call.store.parents("disk_attachment", raw["id"]):
        vm = call.store.get("vm", owner)
        if vm and vm["status"] != "down":
            raise conflict(f"Cannot remove Virtual Disk. The disk is attached to the running VM {vm['name']}.")
        if vm is None:
            raise conflict("Cannot remove Virtual Disk. The disk is part of a Template.")
        call.store.delete("disk_attachment", raw["id"], owner)
    forget(call, raw)
    domain = call.store.get("storage_domain", raw["storage_domains"][0]["id"])
    said = f"Disk {raw['name']} was successfully removed from domain {domain and domain['name']} (User {ADMIN})."
    call.event(Code.DISK_REMOVED, said)


def forget(call: Call, raw: Body) -> None:
    """Without a question."""
    call.store.delete("disk", raw["id"])
    file = images.path(call.engine.images, raw)
    call.store.after_commit(lambda: images.drop(file))


def file_of(engine: Engine, disk: str) -> tuple[Body, Path]:
    """A disk and its file; raises Fault 404 where it is gone."""
    raw = engine.store.get("disk", disk)
    if raw is None:
        raise not_found()
    return raw, images.path(engine.images, raw)


def _create(engine: Engine, args: Body) -> None:
    raw, file = file_of(engine, args["disk"])
    images.create(file, raw["format"], int(raw["provisioned_size"]), is_sparse=raw["sparse"])


def _copy(engine: Engine, args: Body) -> None:
    raw, file = file_of(engine, args["disk"])
    source, source_file = file_of(engine, args["source"])
    images.copy(source_file, file, source["format"], raw["format"])


def _resize(engine: Engine, args: Body) -> None:
    raw, file = file_of(engine, args["disk"])
    images.resize(file, raw["format"], int(raw["provisioned_size"]))


def failed(call: Call, args: Body, said: Any) -> None:
    """A disk that could not be made is not there."""
    if raw := call.store.get("disk", args["disk"]):
        forget(call, raw)
        call.event(Code.DISK_FAILED, f"Add-Disk operation failed to complete: {said}")


@task("disk.create", work=_create, failed=failed)
@task("disk.copy", work=_copy, failed=failed)
def created(call: Call, args: Body, result: None) -> None:
    """Its file is there."""
    raw = settle(call, args["disk"])
    call.event(Code.DISK_FINISHED, f"The disk '{raw['name']}' was successfully added.")


@task("disk.resize", work=_resize)
@task("disk.ok")
def settled(call: Call, args: Body, result: None) -> None:
    """Nothing is done with it any more."""
    settle(call, args["disk"])


def settle(call: Call, disk: str, status: str = "ok") -> Body:
    """Keeps what the file takes now, and the status."""
    raw = call.need("disk", disk)
    raw |= {"status": status, "_taken": images.taken(images.path(call.engine.images, raw))}
    return call.store.save("disk", raw)


def _owners(call: Call, raw: Body) -> Iterator[Any]:
    for owner in call.store.parents("disk_attachment", raw["id"]):
        found = call.store.get("vm", owner) or call.store.get("template", owner)
        if found:
            yield found["name"]


def _domains(call: Call, raw: Body) -> list[Any]:
    return [call.need("storage_domain", each["id"])["name"] for each in raw["storage_domains"]]


Disks.keys = {
    "id": own("id"),
    "disk_id": own("id"),
    "name": own("name"),
    "alias": own("name"),
    "description": own("description"),
    "format": own("format"),
    "status": own("status"),
    "provisioned_size": lambda call, raw: int(raw["provisioned_size"]) // 1024**3,
    "disk_type": lambda call, raw: "image",
    "number_of_vms": lambda call, raw: len(call.store.parents("disk_attachment", raw["id"])),
    "vm_names": lambda call, raw: list(_owners(call, raw)),
    "storage": _domains,
    "storage.name": _domains,
    "storages.name": _domains,
    "wipe_after_delete": own("wipe_after_delete"),
}

"""Snapshots: whole copies of a machine's disks at a moment. Of a running machine the copy is as after a power cut."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, ClassVar

from lab.simulators.ovirt import events, images
from lab.simulators.ovirt.collection import Collection
from lab.simulators.ovirt.engine import Call, Engine, task
from lab.simulators.ovirt.errors import conflict, not_found, refused
from lab.simulators.ovirt.events import Code
from lab.simulators.ovirt.resources import disks, power
from lab.simulators.ovirt.store import Body

ADMIN = "admin@internal-authz"
BUSY = "The VM is performing an operation on a Snapshot. Please wait for the operation to finish, and try again."
READ_ONLY = frozenset({"list", "get"})


class SnapshotDisks(Collection):
    """Disks as they were."""

    kind = "snapshot_disk"
    type_name = "Disk"
    rel = "disks"
    methods = READ_ONLY


class SnapshotNics(Collection):
    """Cards as they were."""

    kind = "snapshot_nic"
    type_name = "Nic"
    rel = "nics"
    methods = READ_ONLY


class Snapshots(Collection):
    """Snapshots of one machine, its present state among them."""

    kind = "snapshot"
    type_name = "Snapshot"
    rel = "snapshots"
    title = "Snapshot"
    stored = frozenset({"description", "persist_memorystate"})
    ignored = frozenset({"disk_attachments", "disks", "vm"})
    required = ("description",)
    methods = frozenset({"list", "get", "add", "remove"})
    actions = ("restore",)
    children: ClassVar = {"disks": SnapshotDisks(), "nics": SnapshotNics()}
    empty = ("cdroms",)

    def view(self, call: Call, raw: Body) -> Body:
        """With its machine."""
        return raw | {"vm": {"id": call.parent["id"], "href": None}}  # the engine gives no address here

    def create(self, call: Call, body: Body) -> Body:
        """Locked until every disk is copied."""
        vm = call.parent
        if vm["status"] == "image_locked" or any(each["snapshot_status"] == "locked" for each in self.all(call)):
            raise conflict(f"Cannot create Snapshot. {BUSY}")
        if body.get("persist_memorystate") and vm["status"] == "up":
            raise refused("Cannot create Snapshot. Saving memory is not simulated.", status=501)
        attached = [call.need("disk", each["id"]) for each in call.store.all("disk_attachment", vm["id"])]
        for disk in attached:
            if disk["status"] != "ok":
                raise disks.locked("create Snapshot of", disk)
        now = events.now()
        raw: Body = {"description": "", "persist_memorystate": False, "date": now, "snapshot_status": "locked", "snapshot_type": "regular"}
        raw = call.store.insert(self.kind, raw | body | {"persist_memorystate": False}, vm["id"])
        for disk in attached:
            layer = disk | {"image_id": str(uuid.uuid4()), "snapshot": {"id": raw["id"]}}
            layer["_file"] = f"{layer['image_id']}.{images.SUFFIX[disk['format']]}"
            call.store.insert("snapshot_disk", layer, raw["id"])
            call.store.save("disk", disk | {"status": "locked"})
        for nic in call.store.all("nic", vm["id"]):
            call.store.insert("snapshot_nic", nic, raw["id"])
        if vm["status"] == "down":
            call.store.save("vm", vm | {"status": "image_locked"})
        said = f"Snapshot '{raw['description']}' creation for VM '{vm['name']}' was initiated by {ADMIN}."
        call.event(Code.SNAPSHOT_STARTED, said, vm=vm["id"])
        job = f"Creating VM Snapshot {raw['description']} for VM {vm['name']}"
        call.later("snapshot.create", "snapshot", job, vm=vm["id"], snapshot=raw["id"])
        return raw

    def remove(self, call: Call, raw: Body, body: Body) -> None:
        """Not the present state."""
        if raw["snapshot_type"] == "active":
            raise conflict("Cannot remove Snapshot. Removing the VM active Snapshot is not allowed.")
        if any(each["snapshot_status"] == "locked" for each in self.all(call)):
            raise conflict(f"Cannot remove Snapshot. {BUSY}")
        call.store.save(self.kind, raw | {"snapshot_status": "locked"}, call.parent["id"])
        said = f"Snapshot '{raw['description']}' deletion for VM '{call.parent['name']}' was initiated by {ADMIN}."
        call.event(Code.SNAPSHOT_REMOVAL_STARTED, said, vm=call.parent["id"])
        job = f"Removing Snapshot {raw['description']} of VM {call.parent['name']}"
        call.later("snapshot.remove", "snapshot", job, vm=call.parent["id"], snapshot=raw["id"])

    def act_restore(self, call: Call, raw: Body, action: Body) -> None:
        """The disks become what they were."""
        vm = call.parent
        if vm["status"] != "down":
            raise conflict("Cannot restore VM from Snapshot. VM is running.")
        if raw["snapshot_type"] == "active" or raw["snapshot_status"] != "ok":
            raise conflict("Cannot restore VM from Snapshot. The snapshot is not a regular one that is complete.")
        call.store.save("vm", vm | {"status": "image_locked"})
        for layer in call.store.all("snapshot_disk", raw["id"]):
            if disk := call.store.get("disk", layer["id"]):
                call.store.save("disk", disk | {"status": "locked"})
        job = f"Restoring VM {vm['name']} from snapshot {raw['description']}"
        call.later("snapshot.restore", "snapshot", job, vm=vm["id"], snapshot=raw["id"])


def add_active(call: Call, vm: Body) -> None:
    """The present state, which the engine lists as a snapshot."""
    body = {"description": "Active VM", "persist_memorystate": False, "date": vm["creation_time"], "snapshot_status": "ok"}
    call.store.insert("snapshot", body | {"snapshot_type": "active"}, vm["id"])


def of(call: Call, vm: Body) -> list[Body]:
    """The snapshots of a machine."""
    return call.store.all("snapshot", vm["id"])


def forget(call: Call, vm: Body, raw: Body) -> None:
    """A snapshot with its files."""
    for layer in call.store.all("snapshot_disk", raw["id"]):
        file = call.engine.images / layer["_file"]
        call.store.after_commit(lambda file=file: images.drop(file))  # type: ignore[misc]
    call.store.delete_children(raw["id"])
    call.store.delete("snapshot", raw["id"], vm["id"])


def _layers(engine: Engine, args: Body) -> list[tuple[Body, Path, Path]]:
    """Every layer, with its file and that of its disk."""
    found = []
    for layer in engine.store.all("snapshot_disk", args["snapshot"]):
        disk = engine.store.get("disk", layer["id"])
        if disk is None:
            raise not_found()
        found.append((layer, engine.images / layer["_file"], images.path(engine.images, disk)))
    return found


def _copy(engine: Engine, args: Body) -> None:
    with power.held_still(engine, args["vm"]):
        for layer, file, disk_file in _layers(engine, args):
            images.copy(disk_file, file, layer["format"], layer["format"])


def _copy_back(engine: Engine, args: Body) -> None:
    for layer, file, disk_file in _layers(engine, args):
        back = disk_file.with_name(disk_file.name + ".restored")
        images.copy(file, back, layer["format"], layer["format"])
        back.replace(disk_file)


def _settle(call: Call, args: Body) -> tuple[Body, Body]:
    vm, raw = call.need("vm", args["vm"]), call.need("snapshot", args["snapshot"], args["vm"])
    for layer in call.store.all("snapshot_disk", raw["id"]):
        if call.store.get("disk", layer["id"]):
            disks.settle(call, layer["id"])
    if vm["status"] == "image_locked":
        call.store.save("vm", vm | {"status": "down"})
    return vm, raw


def _not_made(call: Call, args: Body, said: Any) -> None:
    vm, raw = _settle(call, args)
    forget(call, vm, raw)
    call.event(
        Code.SNAPSHOT_FAILED, f"Failed to complete snapshot '{raw['description']}' creation for VM '{vm['name']}'. {said}", vm=vm["id"]
    )


@task("snapshot.create", work=_copy, failed=_not_made)
def made(call: Call, args: Body, result: None) -> None:
    """Every disk is copied."""
    vm, raw = _settle(call, args)
    call.store.save("snapshot", raw | {"snapshot_status": "ok"}, vm["id"])
    said = f"Snapshot '{raw['description']}' creation for VM '{vm['name']}' has been completed."
    call.event(Code.SNAPSHOT_FINISHED, said, vm=vm["id"])


@task("snapshot.remove")
def removed(call: Call, args: Body, result: None) -> None:
    """It is gone."""
    vm, raw = call.need("vm", args["vm"]), call.need("snapshot", args["snapshot"], args["vm"])
    forget(call, vm, raw)
    said = f"Snapshot '{raw['description']}' deletion for VM '{vm['name']}' has been completed."
    call.event(Code.SNAPSHOT_REMOVED, said, vm=vm["id"])


@task("snapshot.restore", work=_copy_back)
def restored(call: Call, args: Body, result: None) -> None:
    """The disks are what they were."""
    vm, _ = _settle(call, args)
    call.event(Code.SNAPSHOT_RESTORED, f"VM {vm['name']} restoring from Snapshot has been completed.", vm=vm["id"])

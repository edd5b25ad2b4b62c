"""Backups: the disks of a virtual machine as they were at one moment, to be downloaded until the backup is finalized.

An engine freezes them with a mirror of what changes; here they are copied, which a client cannot tell apart but by the time it takes.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, ClassVar

from lab.simulators.ovirt import events, images
from lab.simulators.ovirt.collection import Collection
from lab.simulators.ovirt.engine import Call, Engine, task
from lab.simulators.ovirt.errors import conflict, entity_not_found, incomplete, not_found, refused
from lab.simulators.ovirt.resources import disks, power
from lab.simulators.ovirt.store import Body

# A backup's disks are kept where those of snapshots are, so that a restart takes their files for known.
LAYER = "snapshot_disk"
RUNNING = ("initializing", "starting", "ready", "finalizing")


class BackupDisks(Collection):
    """Disks of one backup."""

    kind = LAYER
    type_name = "Disk"
    rel = "disks"
    methods = frozenset({"list", "get"})


class Backups(Collection):
    """Backups of one machine; those that ended stay to be asked after."""

    kind = "backup"
    type_name = "Backup"
    rel = "backups"
    title = "Backup"
    stored = frozenset({"description", "name"})
    ignored = frozenset({"disks", "vm"})
    methods = frozenset({"list", "get", "add"})
    actions = ("finalize",)
    children: ClassVar = {"disks": BackupDisks()}

    def view(self, call: Call, raw: Body) -> Body:
        """With its machine."""
        return raw | {"vm": {"id": call.parent["id"]}}

    def add(self, call: Call, body: Body) -> Body:
        """Of some of a machine's disks, one backup at a time."""
        vm = call.parent
        if body.get("from_checkpoint_id"):
            raise refused("Cannot backup VM. Incremental backups are not simulated.", status=501)
        if not body.get("disks"):
            raise incomplete(self.title, "disks", "add")
        if any(each["phase"] in RUNNING for each in self.all(call)):
            raise conflict("Cannot backup VM. The VM is being backed up.")
        if vm["status"] not in ("up", "down"):
            raise conflict(f"Cannot backup VM. The VM is {vm['status']}.")
        kept = self.accept(call, body, None)
        attached = {each["id"] for each in call.store.all("disk_attachment", vm["id"])}
        wanted = []
        for named in body["disks"]:
            if named.get("id") not in attached:
                raise entity_not_found("Disk", f"id={named.get('id')}")
            wanted.append(call.need("disk", named["id"]))
        for disk in wanted:
            if disk["status"] != "ok":
                raise disks.locked("backup", disk)
        now = events.now()
        raw = call.store.insert(self.kind, {"phase": "starting", "creation_date": now, "modification_date": now} | kept, vm["id"])
        for disk in wanted:
            layer = disk | {"image_id": str(uuid.uuid4())}
            layer["_file"] = f"{layer['image_id']}.{images.SUFFIX[disk['format']]}"
            call.store.insert(LAYER, layer, raw["id"])
            call.store.save("disk", disk | {"status": "locked"})
        call.later("backup.start", "snapshot", f"Creating VM Backup for VM {vm['name']}", vm=vm["id"], backup=raw["id"])
        return raw

    def act_finalize(self, call: Call, raw: Body, action: Body) -> None:
        """Nothing more is downloaded."""
        if raw["phase"] != "ready":
            raise conflict(f"Cannot stop VM backup. The VM backup is in phase {raw['phase']}.")
        if any(each.get("_backup") == raw["id"] and each["phase"] not in disks.ENDED for each in call.store.all("image_transfer")):
            raise conflict("Cannot stop VM backup. There are disks of it that are being transferred.")
        call.store.save(self.kind, raw | {"phase": "finalizing", "modification_date": events.now()}, call.parent["id"])
        call.later("backup.finalize", "snapshot", vm=call.parent["id"], backup=raw["id"])


def layer_of(call: Call, backup: str, disk: str) -> Body:
    """What a transfer of a disk of a backup reads."""
    raw = call.store.get("backup", backup, None)
    layer = call.store.get(LAYER, disk, backup)
    if raw is None or layer is None:
        raise entity_not_found("Backup", f"id={backup}")
    if raw["phase"] != "ready":
        raise conflict(f"Cannot transfer Virtual Disk. The VM backup is in phase {raw['phase']}.")
    return layer


def _copies(engine: Engine, args: Body) -> list[tuple[Body, Path, Path]]:
    found = []
    for layer in engine.store.all(LAYER, args["backup"]):
        disk = engine.store.get("disk", layer["id"])
        if disk is None:
            raise not_found()
        found.append((layer, images.path(engine.images, disk), engine.images / layer["_file"]))
    return found


def _copy(engine: Engine, args: Body) -> None:
    with power.held_still(engine, args["vm"]):
        for layer, source, file in _copies(engine, args):
            images.copy(source, file, layer["format"], layer["format"])


def _end(call: Call, args: Body, phase: str) -> None:
    """The copies go, and nothing of the backup stays but that there was one."""
    for layer in call.store.all(LAYER, args["backup"]):
        file = call.engine.images / layer["_file"]
        call.store.after_commit(lambda file=file: images.drop(file))  # type: ignore[misc]
    call.store.delete_children(args["backup"])
    raw = call.need("backup", args["backup"], args["vm"])
    call.store.save("backup", raw | {"phase": phase, "modification_date": events.now()}, args["vm"])


def _free(call: Call, args: Body) -> None:
    for layer in call.store.all(LAYER, args["backup"]):
        if call.store.get("disk", layer["id"]):
            disks.settle(call, layer["id"])


def _not_started(call: Call, args: Body, said: Any) -> None:
    _free(call, args)
    _end(call, args, "failed")


@task("backup.start", work=_copy, failed=_not_started)
def started(call: Call, args: Body, result: None) -> None:
    """Every disk is copied, and free again."""
    _free(call, args)
    raw = call.need("backup", args["backup"], args["vm"])
    call.store.save("backup", raw | {"phase": "ready", "modification_date": events.now()}, args["vm"])


@task("backup.finalize")
def finalized(call: Call, args: Body, result: None) -> None:
    """It is over."""
    _end(call, args, "succeeded")

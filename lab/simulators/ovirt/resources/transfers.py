"""Image transfers: a ticket at the real imageio daemon, watched, and what becomes of the disk in the end."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.simulators.ovirt import images
from lab.simulators.ovirt.collection import Collection
from lab.simulators.ovirt.engine import Call, Engine, task
from lab.simulators.ovirt.errors import conflict, entity_not_found, incomplete, not_found, refused
from lab.simulators.ovirt.events import Code
from lab.simulators.ovirt.forwarder import Forwarder
from lab.simulators.ovirt.resources import backups, disks, storage
from lab.simulators.ovirt.store import Body

ADMIN = "admin@internal-authz"
TICKET_SECONDS = 300
WATCH_SECONDS = 0.5
INACTIVITY_SECONDS = 60
ROOM_FOR_QCOW2 = 1.1  # the engine lets a qcow2 image be a tenth larger than what it holds
QCOW2_HEADERS = 1024**2
OPENING = ("initializing", "resuming", "transferring")
PAUSED = ("paused_system", "paused_user")


class ImageTransfers(Collection):
    """Transfers; those that ended stay to be asked after."""

    kind = "image_transfer"
    type_name = "ImageTransfer"
    rel = "imagetransfers"
    title = "ImageTransfer"
    stored = frozenset({"direction", "format", "inactivity_timeout", "shallow", "timeout_policy"})
    ignored = frozenset({"backup", "disk", "image", "snapshot", "host"})
    methods = frozenset({"list", "get", "add"})
    actions = ("cancel", "extend", "finalize", "pause", "resume")

    def view(self, call: Call, raw: Body) -> Body:
        """Without what is the simulator's own; addresses only while a client may use them."""
        return {name: value for name, value in raw.items() if not name.startswith("_") and value != ""}

    def add(self, call: Call, body: Body) -> Body:
        """For a disk, a disk in a snapshot, or a disk in a backup."""
        named = next((body[element] for element in ("disk", "image", "snapshot") if body.get(element)), None)
        if named is None or not named.get("id"):
            raise incomplete("ImageTransfer", "disk|image|snapshot", "add")
        is_download = body.get("direction", "upload") == "download"
        is_copy = bool(body.get("snapshot") or body.get("backup"))
        if backup := body.get("backup"):
            named = {"id": backups.layer_of(call, backup.get("id", ""), named["id"])["image_id"]}
        disk, file, format = self._source(call, named["id"], is_download=is_download, is_snapshot=is_copy)
        home = storage.active_home(call, call.need("storage_domain", disk["storage_domains"][0]["id"]), "transfer", "image")
        host = _host(call, body.get("host", {}), home)
        kept = self.accept(call, body, None)
        raw: Body = {
            "active": False,
            "direction": "upload",
            "format": format,
            "inactivity_timeout": INACTIVITY_SECONDS,
            "shallow": False,
            "timeout_policy": "legacy",
        }
        raw |= kept | {"phase": "initializing", "transferred": 0, "host": {"id": host["id"]}, "image": {"id": disk["id"]}}
        raw |= {"_disk": disk["id"], "_file": file.name, "_format": format, "_ticket": str(uuid.uuid4()), "_name": disk["name"]}
        raw["_size"] = _size(disk, raw, file)
        raw["_locks"] = not is_copy
        raw["_backup"] = body.get("backup", {}).get("id", "")
        raw = call.store.insert(self.kind, raw)
        if not is_copy:
            call.store.save("disk", disk | {"status": "locked"})
        said = f"Image {_kind(raw).title()} with disk {disk['name']} was initiated by {ADMIN}."
        call.event(Code.TRANSFER_STARTED, said, host=host["id"])
        call.later("transfer.start", "transfer", transfer=raw["id"], is_fresh=True)
        return raw

    def _source(self, call: Call, id: str, *, is_download: bool, is_snapshot: bool) -> tuple[Body, Path, str]:
        if is_snapshot:
            layer = next((each for each in call.store.all("snapshot_disk", None) if each["image_id"] == id), None)
            if layer is None:
                raise entity_not_found("DiskSnapshot", f"id={id}")
            if not is_download:
                raise refused("Cannot transfer image. A snapshot can only be downloaded.")
            return layer, call.engine.images / layer["_file"], layer["format"]
        disk = call.store.get("disk", id)
        if disk is None:
            raise entity_not_found("Disk", f"id={id}")
        if any(each["_disk"] == id and each["phase"] not in disks.ENDED for each in call.store.all(self.kind)):
            raise conflict(f"Cannot transfer Virtual Disk. Disk {disk['name']} is being transferred.")
        if disk["status"] == "locked" or (disk["status"] == "illegal" and is_download):
            raise disks.locked("transfer", disk)
        for owner in call.store.parents("disk_attachment", id):
            vm = call.store.get("vm", owner)
            if vm and vm["status"] != "down":
                raise conflict("Cannot transfer Virtual Disk. VM is running.")
        return disk, images.path(call.engine.images, disk), disk["format"]

    def act_finalize(self, call: Call, raw: Body, action: Body) -> None:
        """The client is done."""
        if raw["phase"] not in ("transferring", *PAUSED):
            raise conflict(f"Cannot finalize image transfer. Its phase is {raw['phase']}.")
        call.store.save(self.kind, raw | {"phase": "finalizing_success", "active": False})
        call.later("transfer.finish", "transfer", transfer=raw["id"])

    def act_cancel(self, call: Call, raw: Body, action: Body) -> None:
        """The client gives up."""
        if raw["phase"] in disks.ENDED or raw["phase"].startswith("finalizing"):
            raise conflict(f"Cannot cancel image transfer. Its phase is {raw['phase']}.")
        call.store.save(self.kind, raw | {"phase": "finalizing_cleanup", "active": False})
        call.later("transfer.cancel", "transfer", transfer=raw["id"])

    def act_pause(self, call: Call, raw: Body, action: Body) -> None:
        """The client will go on later."""
        if raw["phase"] != "transferring":
            raise conflict(f"Cannot pause image transfer. Its phase is {raw['phase']}.")
        _pause(call, raw, "paused_user")

    def act_resume(self, call: Call, raw: Body, action: Body) -> None:
        """The client goes on."""
        if raw["phase"] not in PAUSED:
            raise conflict("Cannot resume image transfer as it's not in a paused state.")
        call.store.save(self.kind, raw | {"phase": "resuming"})
        call.later("transfer.start", "transfer", transfer=raw["id"], is_fresh=False)

    def act_extend(self, call: Call, raw: Body, action: Body) -> None:
        """The client needs longer; the ticket is kept alive anyhow while it is watched."""
        if raw["phase"] != "transferring":
            raise conflict(f"Cannot extend image transfer. Its phase is {raw['phase']}.")


def _pause(call: Call, raw: Body, phase: str) -> None:
    """It is paused as soon as nobody can be writing any more, so that a client that resumes at once keeps its ticket."""
    call.store.save("image_transfer", raw | {"_pausing": True})
    call.later("transfer.release", "transfer", transfer=raw["id"], phase=phase)


def _kind(raw: Body) -> str:
    return "upload" if raw["direction"] == "upload" else "download"


def _size(disk: Body, raw: Body, file: Path) -> int:
    """How many bytes a client may touch."""
    if raw["format"] == "raw":
        return int(disk["provisioned_size"])
    if raw["direction"] == "download":
        return file.stat().st_size if file.exists() else 0
    return int(int(disk["provisioned_size"]) * ROOM_FOR_QCOW2) + QCOW2_HEADERS


def _host(call: Call, named: Body, home: str) -> Body:
    for host in call.store.all("host"):
        cluster = call.need("cluster", host["cluster"]["id"])
        is_wanted = named.get("id") in (None, host["id"]) and named.get("name") in (None, host["name"])
        if is_wanted and host["status"] == "up" and cluster.get("data_center", {}).get("id") == home:
            return host
    raise conflict("Cannot transfer Virtual Disk. There is no active Host in the Data Center.")


def _find(engine: Engine, args: Body) -> Body:
    raw = engine.store.get("image_transfer", args["transfer"])
    if raw is None:
        raise not_found()
    return raw


def _open(engine: Engine, args: Body) -> str:
    """Gives the daemon a ticket; returns the address for the client."""
    raw = _find(engine, args)
    file = engine.images / raw["_file"]
    is_download = raw["direction"] == "download"
    daemon = engine.daemon
    daemon.remove_ticket(raw["_ticket"])
    if raw["format"] == "raw" and raw["_format"] == "cow":
        url = daemon.serve_content(raw["_ticket"], file, "qcow2", is_read_only=is_download)
    else:
        url = f"file://{file}"
        if args["is_fresh"] and raw["format"] == "cow" and not is_download:
            with file.open("wb"):  # the client writes the image itself, headers and all
                pass
    ticket = {"uuid": raw["_ticket"], "size": raw["_size"], "url": url, "timeout": TICKET_SECONDS, "sparse": True}
    ticket |= {"ops": ["read" if is_download else "write"], "transfer_id": raw["id"], "filename": raw["_name"]}
    ticket["inactivity_timeout"] = int(raw["inactivity_timeout"]) or TICKET_SECONDS
    daemon.add_ticket(ticket)
    port = daemon.port
    if not is_download and (broken := engine.injections.take(("broken_upload",), "PUT", raw["_name"])):
        port = _break(engine, raw["id"], broken.bytes)
    host = engine.url.split("/")[2].rpartition(":")[0]
    return f"https://{host}:{port}/images/{raw['_ticket']}"


_FORWARDERS: dict[str, Forwarder] = {}


def _break(engine: Engine, transfer: str, limit: int) -> int:
    _FORWARDERS[transfer] = Forwarder(engine.daemon.address, (engine.daemon.address, engine.daemon.port), limit)
    return _FORWARDERS[transfer].port


def _close(engine: Engine, args: Body) -> Body:
    """Takes the ticket back; when this returns nobody touches the file."""
    raw = _find(engine, args)
    engine.daemon.remove_ticket(raw["_ticket"])
    engine.daemon.end_content(raw["_ticket"])
    if forwarder := _FORWARDERS.pop(raw["id"], None):
        forwarder.close()
    return raw


def _lost(call: Call, args: Body, said: Any) -> None:
    """The daemon could not be had, or a cancellation came before it had begun: then that goes on."""
    raw = call.store.get("image_transfer", args["transfer"])
    if raw and raw["phase"] in OPENING:
        call.store.save("image_transfer", raw | {"phase": "paused_system", "active": False, "transfer_url": "", "proxy_url": ""})
        call.event(Code.TRANSFER_LOST, f"Transfer was stopped by system. Reason: failed to add image ticket to ovirt-imageio. {said}")


@task("transfer.start", work=_open, failed=_lost)
def opened(call: Call, args: Body, url: str) -> None:
    """The client may begin."""
    raw = call.need("image_transfer", args["transfer"])
    if raw["phase"] in OPENING:
        call.store.save("image_transfer", raw | {"phase": "transferring", "active": False, "transfer_url": url, "proxy_url": url})
        call.later("transfer.watch", "transfer", transfer=raw["id"])


def _look(engine: Engine, args: Body) -> Body | None:
    raw = _find(engine, args)
    ticket = engine.daemon.ticket(raw["_ticket"])
    if ticket:
        engine.daemon.extend_ticket(raw["_ticket"], TICKET_SECONDS)
    return ticket


@task("transfer.watch", work=_look)
def watched(call: Call, args: Body, ticket: Body | None) -> None:
    """How far the client is; one that is silent for too long is paused or cancelled, by the policy it asked for."""
    raw = call.need("image_transfer", args["transfer"])
    if raw["phase"] != "transferring" or raw.get("_pausing"):
        return
    if call.need("host", raw["host"]["id"])["status"] != "up":
        call.event(Code.TRANSFER_LOST, "Transfer was stopped by system. Reason: could not find a host to communicate with.")
        _pause(call, raw, "paused_system")
        return
    if ticket is None:
        call.event(Code.TRANSFER_LOST, "Transfer was stopped by system. Reason: missing transfer image ticket.")
        call.store.save("image_transfer", raw | {"phase": "paused_system", "active": False, "transfer_url": "", "proxy_url": ""})
        return
    raw |= {"transferred": max(int(ticket.get("transferred", 0)), int(raw["transferred"])), "active": bool(ticket["active"])}
    limit = int(raw["inactivity_timeout"])
    if limit and ticket["idle_time"] > limit:
        is_paused = raw["timeout_policy"] == "pause" or (raw["timeout_policy"] == "legacy" and raw["direction"] == "upload")
        done = "paused" if is_paused else "canceled"
        said = f"The transfer was {done} by the system according to the timeout policy. Reason: client inactivity timeout."
        call.event(Code.TRANSFER_PAUSED, said)
        if is_paused:
            _pause(call, raw, "paused_system")
        else:
            call.store.save("image_transfer", raw | {"phase": "finalizing_cleanup", "active": False})
            call.later("transfer.cancel", "transfer", transfer=raw["id"])
        return
    call.store.save("image_transfer", raw)
    call.engine.store.add_task(time.time() + WATCH_SECONDS, "transfer.watch", {"transfer": raw["id"]})


@task("transfer.release", work=_close)
def released(call: Call, args: Body, result: Body) -> None:
    """Nobody may touch the image until the transfer is resumed."""
    raw = call.need("image_transfer", args["transfer"])
    if raw["phase"] == "transferring":
        raw |= {"phase": args["phase"], "active": False, "transfer_url": "", "proxy_url": "", "_pausing": False}
        call.store.save("image_transfer", raw)


def _verify(engine: Engine, args: Body) -> str:
    """Closes the image; returns what is wrong with what was uploaded."""
    raw = _close(engine, args)
    if raw["direction"] == "download":
        return ""
    disk = engine.store.get("disk", raw["_disk"])
    if disk is None:
        return "the disk is gone"
    try:
        found = images.info(engine.images / raw["_file"]) if disk["format"] == "cow" else None
    except LabError as error:
        return str(error)
    if found and found["format"] != "qcow2":
        return f"the disk is cow, and what was uploaded is {found['format']}"
    if found and raw["format"] == "cow" and found.get("backing-filename"):
        return "what was uploaded names a backing file"
    if found and found["virtual-size"] != int(disk["provisioned_size"]):
        return f"Image virtual size {found['virtual-size']} doesn't match the disk's {disk['provisioned_size']}"
    return ""


@task("transfer.finish", work=_verify)
def finished(call: Call, args: Body, wrong: str) -> None:
    """The disk is usable, or illegal."""
    raw = call.need("image_transfer", args["transfer"])
    raw |= {"phase": "finished_failure" if wrong else "finished_success", "active": False, "transfer_url": "", "proxy_url": ""}
    call.store.save("image_transfer", raw)
    if raw["_locks"] and call.store.get("disk", raw["_disk"]):
        disks.settle(call, raw["_disk"], "illegal" if wrong else "ok")
    if wrong:
        call.event(Code.TRANSFER_FAILED, f"Image {_kind(raw).title()} with disk {raw['_name']} failed: {wrong}.")
    else:
        call.event(Code.TRANSFER_SUCCEEDED, f"Image {_kind(raw).title()} with disk {raw['_name']} succeeded.")


@task("transfer.cancel", work=_close)
def cancelled(call: Call, args: Body, result: Body) -> None:
    """What was uploaded so far is not a disk to use; what was to be downloaded still is."""
    raw = call.need("image_transfer", args["transfer"])
    call.store.save("image_transfer", raw | {"phase": "finished_cleanup", "active": False, "transfer_url": "", "proxy_url": ""})
    if raw["_locks"] and call.store.get("disk", raw["_disk"]):
        disks.settle(call, raw["_disk"], "illegal" if raw["direction"] == "upload" else "ok")
    call.event(Code.TRANSFER_CANCELLED, f"Image {_kind(raw).title()} with disk {raw['_name']} was cancelled.")


def go_on(call: Call) -> None:
    """After a restart: the daemon is a new one and knows no ticket, and clients may go on where they were."""
    for raw in call.store.all("image_transfer"):
        if raw["phase"] == "transferring":
            call.later("transfer.start", "transfer", transfer=raw["id"], is_fresh=False)
    for seq, _, name, _ in call.store.tasks():
        if name == "transfer.watch":
            call.store.end_task(seq)

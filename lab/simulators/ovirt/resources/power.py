"""Starting, stopping and moving virtual machines: what the backend does, and what the engine makes of what it sees of them."""

from __future__ import annotations

import logging
import shutil
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.simulators.ovirt import cloud_init, events, images, scheduler
from lab.simulators.ovirt.backend import BackendError, Disk, Machine, Nic, Seen
from lab.simulators.ovirt.collection import merged
from lab.simulators.ovirt.engine import Call, Engine, task
from lab.simulators.ovirt.errors import Fault, conflict, not_found, refused
from lab.simulators.ovirt.events import Code
from lab.simulators.ovirt.resources import hosts, storage
from lab.simulators.ovirt.store import Body

ADMIN = "admin@internal-authz"
WATCH_SECONDS = 0.3
# What the engine shows while it waits for something it asked for itself.
PENDING = ("wait_for_launch", "powering_down", "migrating", "reboot_in_progress")

log = logging.getLogger("ovirt.simulator")


def start(call: Call, raw: Body, action: Body) -> None:
    """On a host that may run it; with a config-2 drive where cloud-init is asked for, or at its first start where it is kept."""
    if raw["status"] == "image_locked":
        raise conflict("Cannot run VM: VM is locked. Please try again in a few minutes.")
    if raw["status"] not in ("down", "paused"):
        raise conflict("Cannot run VM. VM is running.")
    attached = [call.need("disk", each["id"]) for each in call.store.all("disk_attachment", raw["id"]) if each["active"]]
    wrong = [disk["name"] for disk in attached if disk["status"] != "ok"]
    if wrong:
        raise conflict(f"Cannot run VM: The following disks are locked: {', '.join(wrong)}. Please try again in a few minutes.")
    for disk in attached:
        storage.active_home(call, call.need("storage_domain", disk["storage_domains"][0]["id"]), "run", "VM")
    if not attached:
        raise refused(
            "Cannot run VM without at least one bootable disk.\n"
            "-Create a disk for this VM, and rerun the VM.\n"
            "-Change the boot sequence using the Edit VM command (Boot Option Sub-Tab).\n"
            "-Use the Run-Once command to select a different boot option and rerun the VM."
        )
    once = action.get("vm", {})
    if unknown := set(once) - {"initialization", "id", "name", "placement_policy", "os", "stateless"}:
        raise Fault(501, "Not simulated", f"Starting a VM once with another {sorted(unknown)[0]!r} is not simulated; nothing was started.")
    raw = merged(raw, raw.pop("_next_run", {}))
    wanted = next(iter(once.get("placement_policy", {}).get("hosts", [])), None)
    host = scheduler.choose(call, raw, "run", wanted)
    given = once.get("initialization")
    initialization = _initialization(raw, given, is_asked=bool(action.get("use_cloud_init") or action.get("use_initialization")))
    if initialization is not None:
        cloud_init.check(initialization)
    raw |= {"status": "wait_for_launch", "host": {"id": host["id"]}, "run_once": bool(given), "_initialized": True, "_seen": {}}
    call.store.save("vm", raw)
    said = f"VM {raw['name']} was started by {ADMIN} (Host: {host['name']})."
    call.event(Code.VM_STARTED, said, vm=raw["id"], host=host["id"], cluster=raw["cluster"]["id"])
    call.later("vm.boot", "boot", f"Launching VM {raw['name']}", vm=raw["id"], initialization=initialization)


def _initialization(raw: Body, given: Body | None, *, is_asked: bool) -> Body | None:
    kept = raw.get("initialization")
    if given is not None:
        return merged(kept or {}, given)
    if is_asked or (kept and not raw.get("_initialized")):
        return kept or {}
    return None


def stop(call: Call, raw: Body, *, is_graceful: bool) -> None:
    """By asking the guest, or at once."""
    if raw["status"] in ("down", "image_locked"):
        raise conflict(f"Cannot {'shutdown' if is_graceful else 'stop'} VM. VM is not running.")
    host = call.need("host", raw["host"]["id"])
    call.store.save("vm", raw | {"status": "powering_down"})
    if is_graceful:
        said = f"VM shutdown initiated by {ADMIN} on VM {raw['name']} (Host: {host['name']})."
        call.event(Code.VM_SHUTDOWN, said, vm=raw["id"], host=host["id"])
    else:
        said = f"VM {raw['name']} powered off by {ADMIN} (Host: {host['name']})."
        call.event(Code.VM_STOPPED, said, vm=raw["id"], host=host["id"])
    job = f"{'Shutting down' if is_graceful else 'Stopping'} VM {raw['name']}"
    call.later("vm.stop", "shutdown", job, vm=raw["id"], is_graceful=is_graceful)


def reboot(call: Call, raw: Body) -> None:
    """By asking the guest."""
    if raw["status"] != "up":
        raise conflict("Cannot reboot VM. VM is not up.")
    call.store.save("vm", raw | {"status": "reboot_in_progress"})
    call.event(Code.VM_REBOOT, f"VM {raw['name']} is rebooting. Rebooted by: {ADMIN}", vm=raw["id"])
    call.later("vm.reboot", "boot", f"Rebooting VM {raw['name']}", vm=raw["id"])


def migrate(call: Call, raw: Body, wanted: Body | None = None) -> None:
    """To the host named, or to any other that may run it."""
    if raw["status"] != "up":
        raise conflict("Cannot migrate VM. VM is not running." if raw["status"] == "down" else "Cannot migrate VM. VM is not up.")
    if raw["placement_policy"]["affinity"] == "pinned":
        raise conflict("Cannot migrate VM. VM is pinned to Host.")
    source = call.need("host", raw["host"]["id"])
    if wanted and wanted.get("id", source["id"]) == source["id"] and wanted.get("name", source["name"]) == source["name"]:
        raise refused("Cannot migrate VM. Source and destination is the same.")
    target = scheduler.choose(call, raw, "migrate", wanted, exclude=source["id"])
    call.store.save("vm", raw | {"status": "migrating"})
    said = f"Migration started (VM: {raw['name']}, Source: {source['name']}, Destination: {target['name']}, User: {ADMIN}). "
    call.event(Code.MIGRATION_STARTED, said, vm=raw["id"], host=source["id"])
    job = f"Migrating VM {raw['name']}"
    call.later("vm.migrate", "migration", job, vm=raw["id"], target=target["id"], since=time.time())


def forget(call: Call, raw: Body) -> None:
    """The drive, and what the backend kept of it, go with the machine."""
    folder = drive(call.engine, raw)
    call.store.after_commit(lambda: shutil.rmtree(folder, ignore_errors=True))
    call.later("vm.forget", "vm", vm=raw["id"])


def drive(engine: Engine, raw: Body) -> Path:
    """Where the config-2 drive of a machine is."""
    return engine.folder / "drives" / str(raw["id"])


@task("vm.forget", work=lambda engine, args: engine.backend.forget(args["vm"]))
def forgotten(call: Call, args: Body, result: None) -> None:
    """Nothing is left to do."""


def _find(engine: Engine, args: Body) -> Body:
    raw = engine.store.get("vm", args["vm"])
    if raw is None:
        raise not_found()
    return raw


def machine(engine: Engine, raw: Body) -> Machine:
    """A machine for the backend."""
    store = engine.store
    found_disks, nics = [], []
    for each in store.all("disk_attachment", raw["id"]):
        disk = store.get("disk", each["id"])
        if disk and each["active"]:
            format = "qcow2" if disk["format"] == "cow" else "raw"
            found_disks.append(Disk(images.path(engine.images, disk), format, each["bootable"], int(disk["provisioned_size"])))
    for each in store.all("nic", raw["id"]):
        profile = store.get("vnic_profile", each.get("vnic_profile", {}).get("id", ""))
        network = store.get("network", profile["network"]["id"]) if profile else None
        vlan = network.get("vlan", {}).get("id") if network else None
        if each["plugged"]:
            name = network["name"] if network else ""
            nics.append(Nic(each["name"], each["mac"]["address"], name, int(vlan) if vlan else None, bool(each["linked"])))
    host = store.get("host", raw["host"]["id"])
    if host is None:
        raise not_found()
    topology = raw["cpu"]["topology"]
    cpus = int(topology.get("cores", 1)) * int(topology.get("sockets", 1)) * int(topology.get("threads", 1))
    found_disks.sort(key=lambda disk: not disk.is_bootable)
    return Machine(raw["id"], raw["name"], hosts.described(store, host), int(raw["memory"]), cpus, found_disks, nics)


def _boot(engine: Engine, args: Body) -> str:
    raw = _find(engine, args)
    folder = None
    if args["initialization"] is not None:
        folder = drive(engine, raw)
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        cloud_init.write(folder, args["initialization"])
    return engine.backend.start(machine(engine, raw), folder)


def _boot_failed(call: Call, args: Body, said: Any) -> None:
    if raw := call.store.get("vm", args["vm"]):
        _down(call, raw)
        call.event(
            Code.VM_RUN_FAILED, f"Failed to run VM {raw['name']} due to a failed validation: [{said}] (User: {ADMIN}).", vm=raw["id"]
        )


@task("vm.boot", work=_boot, failed=_boot_failed)
def booted(call: Call, args: Body, handle: str) -> None:
    """It runs; it is up when its guest is."""
    raw = call.need("vm", args["vm"])
    now = events.now()
    call.store.save("vm", raw | {"status": "powering_up", "_handle": handle, "start_time": now})
    host = call.need("host", raw["host"]["id"])
    call.event(Code.VM_RUNS, f"VM {raw['name']} started on Host {host['name']}", vm=raw["id"], host=host["id"])
    watch(call)


def _stop(engine: Engine, args: Body) -> None:
    raw = _find(engine, args)
    if raw.get("_handle"):
        engine.backend.stop(raw["_handle"], is_graceful=args["is_graceful"])


def _not_stopped(call: Call, args: Body, said: Any) -> None:
    if raw := call.store.get("vm", args["vm"]):
        call.store.save("vm", raw | {"status": "up"})


@task("vm.stop", work=_stop, failed=_not_stopped)
def stopped(call: Call, args: Body, result: None) -> None:
    """It is off."""
    if raw := call.store.get("vm", args["vm"]):
        _down(call, raw)
        call.event(Code.VM_DOWN, f"VM {raw['name']} is down. Exit message: User shut down from within the guest", vm=raw["id"])


def _reboot(engine: Engine, args: Body) -> None:
    engine.backend.reboot(_find(engine, args)["_handle"])


@task("vm.reboot", work=_reboot, failed=_not_stopped)
def rebooted(call: Call, args: Body, result: None) -> None:
    """It starts anew."""
    raw = call.need("vm", args["vm"])
    call.store.save("vm", raw | {"status": "powering_up"})
    watch(call)


def _migrate(engine: Engine, args: Body) -> None:
    target = engine.store.get("host", args["target"])
    if target is None or target["status"] != "up":
        raise BackendError("the destination is not up any more")
    engine.backend.migrate(_find(engine, args)["_handle"], hosts.described(engine.store, target))


def _not_migrated(call: Call, args: Body, said: Any) -> None:
    if raw := call.store.get("vm", args["vm"]):
        source = call.need("host", raw["host"]["id"])
        call.store.save("vm", raw | {"status": "up"})
        call.event(Code.MIGRATION_FAILED, f"Migration failed due to {said} (VM: {raw['name']}, Source: {source['name']}).", vm=raw["id"])


@task("vm.migrate", work=_migrate, failed=_not_migrated)
def migrated(call: Call, args: Body, result: None) -> None:
    """It runs elsewhere."""
    raw, target = call.need("vm", args["vm"]), call.need("host", args["target"])
    source = call.need("host", raw["host"]["id"])
    call.store.save("vm", raw | {"status": "up", "host": {"id": target["id"]}})
    took = f"Duration: {time.time() - args['since']:.0f} seconds, Total: {time.time() - args['since']:.0f} seconds, Actual downtime: (N/A)"
    said = f"Migration completed (VM: {raw['name']}, Source: {source['name']}, Destination: {target['name']}, {took})"
    call.event(Code.MIGRATION_DONE, said, vm=raw["id"], host=target["id"])


def held_still(engine: Engine, id: str) -> AbstractContextManager[None]:
    """A machine that runs stands still meanwhile: its disk is then as after a power cut, and never half of a write."""
    raw = engine.store.get("vm", id)
    handle = raw.get("_handle") if raw else None
    return engine.backend.held_still(handle) if handle else nullcontext()


def watch(call: Call) -> None:
    """Has all machines looked at from now on, if they are not already."""
    if not any(name == "vms.watch" for _, _, name, _ in call.store.tasks()):
        call.store.add_task(time.time(), "vms.watch", {})


def _see(engine: Engine, args: Body) -> dict[str, Seen]:
    found = {}
    for vm in engine.store.all("vm"):
        if vm.get("_handle"):
            try:
                found[vm["id"]] = engine.backend.see(vm["_handle"])
            except (LabError, OSError) as error:  # what cannot be looked at just now is as it was, and is looked at again
                log.warning("machine %s cannot be seen: %s", vm["name"], error)
    return found


@task("vms.watch", work=_see)
def seen(call: Call, args: Body, found: dict[str, Seen]) -> None:
    """Keeps what was seen; a machine that ended by itself is down."""
    for id, now in found.items():
        raw = call.store.get("vm", id)
        if raw is None or not raw.get("_handle"):
            continue
        host = call.store.get("host", raw.get("host", {}).get("id", ""))
        if host and host["status"] == "non_responsive":
            continue  # the engine cannot see what runs there
        if now.state == "gone" and raw["status"] not in PENDING:
            _down(call, raw)
            said = f"VM {raw['name']} is down with error. Exit message: {now.detail or 'Lost connection with qemu process'}."
            call.event(Code.VM_DOWN_ERROR, said, vm=raw["id"])
            continue
        shown = {"devices": [dict(each) for each in asdict(now)["devices"]], "fqdn": now.fqdn, "guest": dict(now.guest)}
        is_up = now.state == "running" and raw["status"] in ("powering_up", "unknown")  # unknown: its host came back, and it ran on
        status = "up" if is_up else raw["status"]
        if status != raw["status"] or shown != raw.get("_seen"):
            call.store.save("vm", raw | {"status": status, "_seen": shown})
    if any(vm.get("_handle") for vm in call.store.all("vm")):
        call.store.add_task(time.time() + WATCH_SECONDS, "vms.watch", {})


def _down(call: Call, raw: Body) -> None:
    kept = {name: value for name, value in raw.items() if name not in ("host", "_handle", "_seen", "start_time", "_next_run")}
    later = raw.get("_next_run", {})
    call.store.save("vm", merged(kept, later) | {"status": "down", "stop_time": events.now(), "run_once": False})

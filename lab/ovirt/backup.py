"""Backups of VMs: every disk is really downloaded, compared, and only then kept.

A backup is a folder `VM/TIME` with one file per disk and `backup.json`. It is written as `.TIME.partial` and renamed at the end,
so what has its name is whole.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.change import Change
from lab.errors import LabError
from lab.ovirt import transfer
from lab.ovirt.engine import Engine
from lab.ovirt.errors import Gone
from lab.ovirt.images import sha256
from lab.ovirt.sdk import ident, types, word
from lab.ovirt.state import State

BACKUP_SECONDS = 600
MANIFEST = "backup.json"
OURS = "strata"  # by which a backup that a killed run left on the engine is known
ENDED = ("succeeded", "failed", "gone")


@dataclass(frozen=True)
class SavedDisk:
    """One file of a backup."""

    file: str
    disk: str
    size: int
    sha256: str
    bootable: bool


def take(engine: Engine, vm: str, folder: Path, now: datetime | None = None) -> Change:
    """Saves all disks of a running VM as they are at one moment. One run for a VM at a time: what it finds half done, it clears away.

    Raises LabError where the VM is not there, a disk does not arrive whole, or this computer cannot keep it; nothing of the attempt stays.
    """
    what = f"backup of vm {vm}"
    state = State(engine, only_vm=vm)
    found = [item for item in state.objects("vms") if item.name == vm]
    target = folder / vm / (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H%M%SZ")
    if engine.check:
        return Change(what, True, {}, {"folder": str(target), "disks": [one.id for item in found for one in item.disk_attachments or ()]})
    if not found:
        raise LabError(f"{engine.login.url}: {what}: the VM is not there; fix: make it first")
    partial = target.parent / f".{target.name}.partial"
    try:
        for left in target.parent.glob(".*.partial"):  # of a run that was killed; nobody would ever look at it
            shutil.rmtree(left)
        partial.mkdir(parents=True)
        attachments = list(found[0].disk_attachments or ())
        with running(state, what, found[0], [ident(one.disk) or one.id for one in attachments]) as backup:
            saved = [save(engine, what, backup, one, partial) for one in attachments]
        manifest = {"vm": vm, "id": found[0].id, "taken": target.name, "disks": [asdict(disk) for disk in saved]}
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        partial.rename(target)
    except OSError as error:  # of this computer: what engine and hypervisors say comes as LabError
        shutil.rmtree(partial, ignore_errors=True)
        fix = f"make room there, or give another folder than {folder}"
        raise LabError(f"{partial}: {what}: cannot be written ({error.strerror or error}); fix: {fix}") from error
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return Change(what, True, {}, {"folder": str(target), "disks": [disk.disk for disk in saved]}, {"folder": str(target)})


@contextlib.contextmanager
def running(state: State, what: str, vm: Any, disks: list[str]) -> Iterator[str]:
    """A backup of the engine, ended whatever happens: the VM's disks are locked by it."""
    backups = state.service("vms").vm_service(vm.id).backups_service()
    end_what_was_left(state, what, backups, disks)
    request = types().Backup(disks=[types().Disk(id=disk) for disk in disks], description=OURS)
    made = state.engine.tell(f"{what}: start", lambda: backups.add(request))
    service = backups.backup_service(made.id)

    def look() -> str:
        return phase_of(state.engine, what, service)

    try:
        state.engine.wait(f"{what} is ready", look, lambda seen: seen == "ready", BACKUP_SECONDS, lambda seen: seen in ("failed", "gone"))
        yield made.id
    finally:
        end(state.engine, what, service)


def end_what_was_left(state: State, what: str, backups: Any, disks: list[str]) -> None:
    """Ends what a killed run of ours left: an engine makes one backup of a VM at a time, and waits for ever to be told that it was read."""
    for item in state.engine.ask(what, lambda: backups.list()):
        if item.description == OURS and word(item.phase) not in ENDED:
            end_left(state.engine, f"{what}: one that was left", backups.backup_service(item.id), disks)


def end_left(engine: Engine, what: str, service: Any, disks: list[str]) -> None:
    """One of them, after the downloads from it, which the engine would wait for."""
    engine.wait(
        f"{what} is past its beginning",
        lambda: phase_of(engine, what, service),
        lambda seen: seen not in ("initializing", "starting"),
        BACKUP_SECONDS,
    )
    for disk in disks:
        if going := transfer.running(engine, disk, what):
            going.cancel()
    end(engine, what, service)


def phase_of(engine: Engine, what: str, service: Any) -> str:
    """`gone` where the engine no longer has it."""
    try:
        return word(engine.ask(what, service.get).phase)
    except Gone:
        return "gone"


def end(engine: Engine, what: str, service: Any) -> None:
    """Lets go of the VM's disks, whatever became of the backup."""
    if phase_of(engine, what, service) not in (*ENDED, "finalizing"):
        engine.tell(f"{what}: end", service.finalize)
    engine.wait(f"{what} has ended", lambda: phase_of(engine, what, service), lambda seen: seen in ENDED, BACKUP_SECONDS)


def save(engine: Engine, what: str, backup: str, attachment: Any, folder: Path) -> SavedDisk:
    """Downloads one disk as a raw image, whatever it is stored as."""
    disk = ident(attachment.disk) or attachment.id
    name = (attachment.disk.name or attachment.disk.alias) if attachment.disk else None
    file = folder / f"{name or disk}.raw"
    if file.exists():
        file = folder / f"{name}-{disk}.raw"
    going = transfer.start(
        engine,
        f"{what}: download of disk {name or disk}",
        "download",
        backup=types().Backup(id=backup),
        disk=types().Disk(id=disk),
        format=types().DiskFormat.RAW,
    )
    try:
        transfer.download(going, file)
        going.finish()
    except BaseException:
        # That this fails too must not hide why the download failed; the engine ends an idle transfer by itself.
        with contextlib.suppress(LabError):
            going.cancel()
        raise
    return SavedDisk(file.name, disk, file.stat().st_size, sha256(file), bool(attachment.bootable))


def verify(folder: Path) -> list[str]:
    """Everything that is wrong with a backup on this computer, as sentences; empty when it is whole."""
    manifest = folder / MANIFEST
    try:
        disks = [SavedDisk(**disk) for disk in json.loads(manifest.read_text())["disks"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [f"{manifest}: cannot be read ({error}); fix: take the backup again"]
    problems = []
    for disk in disks:
        file = folder / disk.file
        if not file.is_file():
            problems.append(f"{file}: is missing; fix: take the backup again")
        elif file.stat().st_size != disk.size or sha256(file) != disk.sha256:
            problems.append(f"{file}: is not what was saved; fix: use another backup, and look at the storage under this one")
    return problems

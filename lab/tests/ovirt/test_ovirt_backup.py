"""Disks that are saved: really downloaded, compared with what the storage has, and kept only when whole."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError
from lab.ovirt import backup, channel, steps, transfer, upload
from lab.ovirt.engine import Engine, Login
from lab.ovirt.images import BLOCK, examine
from lab.ovirt.model import parse, thing
from lab.ovirt.model_vms import Template
from lab.ovirt.sdk import types, word
from lab.ovirt.state import State
from lab.stages import ROOT
from lab.tests.ovirt.conftest import SITE, Admin, build

VM = {"name": "web", "data_center": "lab", "cluster": "main", "template": "debian", "memory_mib": 1024, "vcpus": 1}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """What the guest will have: a boot sector, noise, and much nothing."""
    file = tmp_path / "disk.raw"
    file.write_bytes(bytes(510) + b"\x55\xaa" + os.urandom(2 * BLOCK) + bytes(6 * BLOCK - 512))
    return file


@pytest.fixture
def image(raw: Path) -> Path:
    file = raw.with_suffix(".qcow2")
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, file], check=True)
    return file


@pytest.fixture
def disk(engine: Engine, image: Path) -> str:
    """A disk on the engine with the image in it."""
    build(engine)
    wanted = thing("template", {"name": "debian", "cluster": "main", "storage_domain": "nas", "image": str(image)})
    assert isinstance(wanted, Template)
    return upload.uploaded(State(engine), wanted, examine(image))


def started(engine: Engine, disk: str, format: str) -> transfer.Transfer:
    of = {"disk": types().Disk(id=disk), "format": types().DiskFormat(format)}
    return transfer.start(engine, "download of a disk", "download", **of)


def test_a_download_as_raw_is_what_the_guest_has(engine: Engine, disk: str, raw: Path, tmp_path: Path) -> None:
    going = started(engine, disk, "raw")
    transfer.download(going, tmp_path / "saved")
    going.finish()
    assert (tmp_path / "saved").read_bytes() == raw.read_bytes()
    assert (tmp_path / "saved").stat().st_blocks * 512 < raw.stat().st_size / 2, "what is nothing takes no room"


def test_a_download_whose_connection_breaks_goes_on(
    engine: Engine, disk: str, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    get, broken = channel.Channel.get, [True]

    def breaking(self: channel.Channel, start: int, length: int) -> bytes:
        if start == BLOCK and broken.pop() is True:
            broken.append(False)
            raise channel.Broken("the connection broke")
        return get(self, start, length)

    monkeypatch.setattr(transfer, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(channel.Channel, "get", breaking)
    going = started(engine, disk, "raw")
    transfer.download(going, tmp_path / "saved")
    going.finish()
    assert (tmp_path / "saved").read_bytes() == raw.read_bytes()


def test_a_download_that_differs_from_what_is_stored_is_said(
    engine: Engine, disk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = channel.Channel.get
    monkeypatch.setattr(channel.Channel, "get", lambda self, start, length: b"x" + get(self, start, length)[1:])
    going = started(engine, disk, "raw")
    with pytest.raises(LabError, match=r"download of a disk: .*saved differs from what is stored there; fix: "):
        transfer.download(going, tmp_path / "saved")
    going.cancel()


@pytest.fixture
def web(engine: Engine, image: Path) -> Iterator[None]:
    """A running VM with two disks."""
    values: dict[str, list[dict[str, Any]]] = {kind: [values] for kind, values, _ in SITE}
    values["template"] = [{"name": "debian", "cluster": "main", "storage_domain": "nas", "image": str(image)}]
    values["vm"] = [VM | {"disks": [{"name": "web-data", "size_gib": 1, "storage_domain": "nas"}]}]
    steps.ensure_all(engine, parse(values))
    yield


def test_a_backup_has_every_disk_as_it_is_and_says_that_it_is_whole(engine: Engine, web: None, raw: Path, tmp_path: Path) -> None:
    done = backup.take(engine, "web", tmp_path / "backups")
    folder = Path(done.facts["folder"])
    manifest = json.loads((folder / "backup.json").read_text())
    assert (manifest["vm"], [disk["bootable"] for disk in manifest["disks"]].count(True)) == ("web", 1)
    boot = next(disk for disk in manifest["disks"] if disk["bootable"])
    assert (folder / boot["file"]).read_bytes() == raw.read_bytes()
    assert backup.verify(folder) == []
    assert [file.name for file in folder.parent.iterdir()] == [folder.name]
    service = engine.system.vms_service().vm_service(manifest["id"]).backups_service()
    assert [word(item.phase) for item in service.list()] in ([], ["succeeded"])
    assert steps.ensure(engine, thing("vm", VM)).changed is False, "the VM's disks are free again"


def test_a_backup_that_breaks_leaves_no_folder_and_no_lock(
    engine: Engine, web: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(transfer, "download", lambda *_: (_ for _ in ()).throw(LabError("no space left on this computer")))
        with pytest.raises(LabError, match="no space left on this computer"):
            backup.take(engine, "web", tmp_path / "backups")
    assert list((tmp_path / "backups" / "web").iterdir()) == []
    assert backup.take(engine, "web", tmp_path / "backups").changed is True


def test_a_full_disk_of_this_computer_is_said_and_nothing_is_left(
    engine: Engine, web: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(transfer, "download", lambda *_: (_ for _ in ()).throw(full))
    with pytest.raises(LabError) as refused:
        backup.take(engine, "web", tmp_path / "backups")
    assert str(refused.value).startswith(f"{tmp_path}/backups/web/.")
    assert ": backup of vm web: cannot be written (No space left on device); fix: make room there" in str(refused.value)
    assert list((tmp_path / "backups" / "web").iterdir()) == []


CLIENT = """
import os, signal, sys
from pathlib import Path
from lab.ovirt import backup, transfer
from lab.ovirt.engine import Login, connect
url, user, password, ca_file, folder = sys.argv[1:]
transfer.download = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with connect(Login(url, user, password, Path(ca_file))) as engine:
    backup.take(engine, "web", Path(folder))
"""


def test_a_backup_that_was_killed_with_9_is_cleared_away_by_the_next(engine: Engine, web: None, login: Login, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    words = [sys.executable, "-c", CLIENT, login.url, login.user, login.password, str(login.ca_file), str(folder)]
    assert subprocess.run(words, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    assert [file.name.endswith(".partial") for file in (folder / "web").iterdir()] == [True]
    done = Path(backup.take(engine, "web", folder).facts["folder"])
    assert backup.verify(done) == []
    assert list(done.parent.iterdir()) == [done]


def test_a_backup_in_check_mode_writes_nothing_anywhere(engine: Engine, checking: Engine, web: None, admin: Admin, tmp_path: Path) -> None:
    admin.forget()
    assert backup.take(checking, "web", tmp_path / "backups").changed is True
    assert admin.writes() == 0
    assert not (tmp_path / "backups").exists()


def test_a_backup_of_a_vm_that_is_not_there_is_refused(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"backup of vm ghost: the VM is not there; fix: make it first"):
        backup.take(engine, "ghost", tmp_path)

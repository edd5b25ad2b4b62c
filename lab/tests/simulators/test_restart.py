"""The simulator as a process of its own: what it keeps over a stop, and that a kill in the middle of anything leaves nothing half made."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.simulators.ovirt import serve
from lab.stages import ROOT
from lab.tests.simulators.conftest import NO_DELAYS
from lab.tests.simulators.test_storage import content, upload
from lab.tests.simulators.world import (
    MIB,
    add_disk,
    add_domain,
    add_host,
    add_template,
    admin,
    image,
    open_transfer,
    types,
    until,
    until_ended,
    until_status,
)


@dataclass
class Process:
    """A simulator that can be killed; it has what the steps ask of a served one."""

    folder: Path
    child: Any = None
    url: str = ""
    user: str = "admin@internal"

    @property
    def ca_file(self) -> Path:
        return self.folder / "tls" / "ca.pem"

    @property
    def password(self) -> str:
        return (self.folder / "password").read_text().strip()

    def start(self) -> None:
        command = [sys.executable, "-m", "lab.simulators.ovirt", str(self.folder)]
        with (self.folder.parent / "log").open("ab") as log:
            self.child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        url = self.child.stdout.readline().strip()
        assert not self.url or url == self.url  # the same address as before
        self.url = url

    def kill(self) -> None:
        self.child.kill()
        self.child.wait()
        self.child.stdout.close()

    def stop(self) -> int:
        self.child.send_signal(signal.SIGTERM)
        self.child.stdout.close()
        return int(self.child.wait(20))

    def connect(self) -> Any:
        import ovirtsdk4  # type: ignore[import-untyped]

        return ovirtsdk4.Connection(url=self.url, username=self.user, password=self.password, ca_file=str(self.ca_file), timeout=30)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    found = Process(tmp_path / "simulator")
    found.start()
    admin(found, "PUT", "/delays", NO_DELAYS)  # type: ignore[arg-type]
    yield found
    if found.child.poll() is None:
        found.kill()


def test_everything_is_there_after_a_stop_at_the_same_address_and_with_the_same_authority(process: Process) -> None:
    system = process.connect().system_service()
    add_host(system)
    add_domain(system)
    disk = add_disk(system)
    authority = process.ca_file.read_bytes()
    assert process.stop() == 0
    process.start()
    system = process.connect().system_service()
    assert [host.name for host in system.hosts_service().list()] == ["hv1"]
    assert [found.id for found in system.disks_service().list()] == [disk.id]
    assert process.ca_file.read_bytes() == authority
    last = system.events_service().list(search="type=1")
    assert [event.description.split(";")[0] for event in last][1:] == ["This is the oVirt engine simulator (Strata), and no oVirt engine"]


def test_no_helper_outlives_a_killed_simulator(process: Process) -> None:
    system = process.connect().system_service()
    add_host(system)
    add_domain(system)
    open_transfer(system, add_disk(system))
    assert {"ovirt-imageio", "qemu-nbd"} <= helpers(process)
    process.kill()
    until("no helper is left", lambda: helpers(process), lambda seen: not seen)


def helpers(process: Process) -> set[str]:
    """The programs that work for this simulator."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if any(str(process.folder) in word for word in words):
            found |= {Path(word).name for word in words[:5]} & {"ovirt-imageio", "qemu-nbd"}
    return found


def test_what_was_begun_before_a_kill_is_done_after_it(process: Process) -> None:
    t = types()
    system = process.connect().system_service()
    add_host(system)
    add_domain(system)
    admin(process, "PUT", "/delays", {"disk": 1})  # type: ignore[arg-type]
    wanted = t.Disk(name="late", format=t.DiskFormat.COW, provisioned_size=MIB, sparse=True, storage_domains=[t.StorageDomain(name="data")])
    disk = system.disks_service().add(wanted)
    process.kill()
    process.start()
    system = process.connect().system_service()
    until_status(system.disks_service().disk_service(disk.id), "ok")
    assert str(system.jobs_service().list()[-1].status) == "finished"


def test_an_upload_goes_on_after_a_kill_in_the_middle_of_it(process: Process, tmp_path: Path) -> None:
    system = process.connect().system_service()
    add_host(system)
    add_domain(system)
    disk = add_disk(system, format="raw")
    transfer, service = open_transfer(system, disk)
    source = image(tmp_path, content=32 * MIB)
    sent: list[int] = []

    def kill_at_the_first_block(done: int) -> None:
        sent.append(done)
        if len(sent) == 1:
            process.kill()

    with pytest.raises((OSError, http.client.HTTPException)):  # the client meets whatever a lost connection gives it
        upload(source, transfer, process, progress=kill_at_the_first_block)  # type: ignore[arg-type]
    assert 0 < sent[0] < source.stat().st_size
    process.start()
    service = process.connect().system_service().image_transfers_service().image_transfer_service(transfer.id)
    again = until("the transfer goes on", service.get, lambda seen: str(seen.phase) == "transferring" and seen.transfer_url)
    # The address names the new daemon only when it has the ticket.
    until("the ticket is there", lambda: try_upload(source, again, process), lambda seen: seen == "")
    service.finalize()
    assert until_ended(service) == "finished_success"
    assert content(process.folder / "images" / f"{disk.id}.raw") == content(source)


def try_upload(source: Path, transfer: Any, process: Process) -> str:
    """What went wrong, or nothing."""
    try:
        upload(source, transfer, process)  # type: ignore[arg-type]
    except Exception as error:  # again whatever it is
        return str(error)
    return ""


def test_kills_at_any_moment_leave_whole_objects_and_no_file_without_a_disk(process: Process) -> None:
    """Machines are made and removed all the time while the process is killed at different moments."""
    t = types()
    system = process.connect().system_service()
    add_host(system)
    add_domain(system)
    add_template(system)
    admin(process, "PUT", "/delays", {"vm": 0.05})  # type: ignore[arg-type]
    for number in range(6):
        killer = threading.Timer(0.1 + 0.13 * number, process.kill)
        killer.start()
        try:
            for count in range(100):
                wanted = t.Vm(name=f"vm{number}-{count}", cluster=t.Cluster(name="Default"), template=t.Template(name="debian"))
                system.vms_service().add(wanted)
        except Exception as error:  # the kill, as the client sees it
            print(f"killed in the middle: {error}")
        killer.join()
        process.start()
        system = process.connect().system_service()
        until("no machine is locked", system.vms_service().list, lambda seen: all(str(vm.status) == "down" for vm in seen))
        assert_whole(process, system)
    for vm in system.vms_service().list(search="name=vm*"):
        system.vms_service().vm_service(vm.id).remove()
    assert_whole(process, system)


def assert_whole(process: Process, system: Any) -> None:
    """Every machine has its disk, card and snapshot; every disk its file, and every file its disk."""
    vms = system.vms_service().list(follow="disk_attachments.disk,nics,snapshots")
    for vm in vms:
        assert len(vm.disk_attachments) == len(vm.nics) == len(vm.snapshots) == 1, vm.name
        assert str(vm.disk_attachments[0].disk.status) == "ok", vm.name
    disks = {f"{disk.id}.qcow2" for disk in system.disks_service().list()}
    assert disks == {file.name for file in (process.folder / "images").iterdir()}
    macs = [vm.nics[0].mac.address for vm in vms]
    assert len(set(macs)) == len(macs)


def test_tokens_do_not_outlive_the_engine(tmp_path: Path) -> None:
    import ovirtsdk4

    with serve(tmp_path) as served:
        connection = ovirtsdk4.Connection(url=served.url, username=served.user, password=served.password, ca_file=str(served.ca_file))
        token = connection.authenticate()
    with serve(tmp_path) as served:
        without = ovirtsdk4.Connection(url=served.url, token=token, ca_file=str(served.ca_file))
        with pytest.raises(ovirtsdk4.Error):
            without.system_service().get()


def test_only_the_owner_reads_the_state(tmp_path: Path) -> None:
    with serve(tmp_path / "simulator"):
        assert (tmp_path / "simulator").stat().st_mode & 0o077 == 0
        secrets = ["password", "tls/ca-key.pem", "tls/server-key.pem"]
        assert [name for name in secrets if (tmp_path / "simulator" / name).stat().st_mode & 0o077] == []

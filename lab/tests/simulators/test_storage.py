"""Storage domains, disks, and image transfers through the real imageio daemon."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.simulators.ovirt import Served
from lab.simulators.ovirt.backend import Room
from lab.tests.simulators.test_resources import refused
from lab.tests.simulators.world import (
    MIB,
    add_disk,
    add_domain,
    add_host,
    add_template,
    add_vm,
    admin,
    attached_domains,
    image,
    open_transfer,
    start,
    types,
    until,
    until_ended,
    until_status,
)


def nfs(path: str = "/export/data") -> Any:
    t = types()
    return t.HostStorage(type=t.StorageType.NFS, address="nas.lab.test", path=path)


def content(file: Path) -> str:
    """The hash of what a guest would read in an image."""
    with tempfile.NamedTemporaryFile() as raw:
        subprocess.run(["qemu-img", "convert", "-O", "raw", file, raw.name], check=True)
        return hashlib.sha256(Path(raw.name).read_bytes()).hexdigest()


def stored(served: Served, disk: Any) -> Path:
    """The file of a disk."""
    return next(served.engine.images.glob(f"{disk.id}.*"))


def upload(file: Path, transfer: Any, served: Served, progress: Callable[[int], None] | None = None) -> None:
    from ovirt_imageio import client  # type: ignore[import-untyped]

    client.upload(str(file), transfer.transfer_url, str(served.ca_file), progress=progress)


def test_a_domain_has_a_status_of_its_own_only_while_it_is_attached_nowhere(system: Any) -> None:
    t = types()
    add_host(system)
    domains = system.storage_domains_service()
    domain = domains.add(t.StorageDomain(name="data", type=t.StorageDomainType.DATA, host=t.Host(name="hv1"), storage=nfs()))
    assert (str(domain.status), domain.master) == ("unattached", False)
    attached = attached_domains(system)
    assert str(attached.add(t.StorageDomain(id=domain.id)).status) == "locked"
    until_status(attached.storage_domain_service(domain.id), "active")
    found = domains.storage_domain_service(domain.id).get()
    assert (found.status, found.master, found.available) == (None, True, 100 * 1024**3)
    assert str(system.data_centers_service().list(search="storage=data")[0].status) == "up"


def test_a_domain_on_an_export_that_cannot_be_written_to_is_not_there(simulator: Served, system: Any) -> None:
    t = types()
    add_host(system)
    simulator.engine.backend.refuse("check_export", "touch as 36:36: Permission denied")  # type: ignore[attr-defined]
    wanted = t.StorageDomain(name="data", type=t.StorageDomainType.DATA, host=t.Host(name="hv1"), storage=nfs())
    add = system.storage_domains_service().add
    refused(400, "Permission settings on the specified path do not allow access to the storage.", add, wanted)
    refused(400, "touch as 36:36: Permission denied", add, wanted)
    assert system.storage_domains_service().list() == []
    said = system.events_service().list(search="type=957")[0].description
    assert said == "Failed to add Storage Domain data. (User: admin@internal-authz): touch as 36:36: Permission denied"


def test_domains_are_refused_as_the_engine_refuses_them(system: Any) -> None:
    t = types()
    add_host(system)
    add = system.storage_domains_service().add

    def domain(**more: Any) -> Any:
        return t.StorageDomain(**({"name": "x", "type": t.StorageDomainType.DATA, "host": t.Host(name="hv1"), "storage": nfs("/x")} | more))

    export = add(domain(name="export", type=t.StorageDomainType.EXPORT, storage=nfs("/export")))
    attached = attached_domains(system)
    refused(
        400,
        "[Cannot attach Storage Domain.\n-Please attach Data Domain to the Data Center first.]",
        attached.add,
        t.StorageDomain(id=export.id),
    )
    data = add_domain(system)
    refused(409, "The Storage Domain name is already in use", add, domain(name="data"))
    refused(409, "is already used by Storage Domain data", add, domain(storage=nfs()))
    refused(400, "StorageDomain [host] required for add", add, domain(host=None))
    refused(404, "Entity not found: Host: name=none", add, domain(host=t.Host(name="none")))
    refused(400, "StorageDomain [storage.path] required for add", add, domain(storage=nfs("")))
    service = attached.storage_domain_service(data.id)
    refused(409, "Cannot detach Storage. Storage status is Active.", service.remove)
    service.deactivate()
    until_status(service, "maintenance")
    refused(400, "Cannot remove the master Storage Domain", service.remove)
    remove = system.storage_domains_service().storage_domain_service(data.id).remove
    refused(400, "The Storage Domain is attached to a Data Center", remove, host="hv1", format=True)


def test_domains_are_taken_down_in_the_engines_order(system: Any) -> None:
    add_host(system)
    data, export = add_domain(system), add_domain(system, "export", "export")
    attached = attached_domains(system)
    service = attached.storage_domain_service(data.id)
    refused(400, "Cannot deactivate a Master Storage Domain while there are active non-data domains", service.deactivate)
    other = attached.storage_domain_service(export.id)
    other.deactivate()
    until_status(other, "maintenance")
    other.remove()
    service.deactivate()
    until_status(service, "maintenance")
    center = system.data_centers_service().list(search="name=Default")[0]
    system.data_centers_service().data_center_service(center.id).remove()
    remove = system.storage_domains_service().storage_domain_service(data.id).remove
    refused(400, "Data storage must be formatted after remove.", remove, host="hv1")
    remove(host="hv1", format=True)
    system.storage_domains_service().storage_domain_service(export.id).remove(host="hv1")
    assert system.storage_domains_service().list() == []


def test_a_disk_is_a_file_and_its_size_is_that_of_the_file(simulator: Served, system: Any) -> None:
    add_host(system)
    add_domain(system)
    cow, raw = add_disk(system, "a"), add_disk(system, "b", "raw", sparse=False)
    assert [stored(simulator, disk).suffix for disk in (cow, raw)] == [".qcow2", ".raw"]
    assert raw.actual_size == 64 * MIB and cow.actual_size < MIB
    assert [disk.name for disk in system.disks_service().list(search='name="a" and Storage.name="data"')] == ["a"]
    service = system.disks_service().disk_service(cow.id)
    service.update(types().Disk(provisioned_size=96 * MIB))
    assert until_status(service, "ok").provisioned_size == 96 * MIB
    service.remove()
    assert list(simulator.engine.images.glob("*")) == [stored(simulator, raw)]


def test_what_does_not_fit_is_refused(simulator: Served, system: Any) -> None:
    simulator.engine.backend.room = Room(20 * 1024**3, 0)  # type: ignore[attr-defined]
    t = types()
    add_host(system)
    add_domain(system)
    wanted = t.Disk(
        name="x", format=t.DiskFormat.RAW, sparse=False, provisioned_size=30 * 1024**3, storage_domains=[t.StorageDomain(name="data")]
    )
    refused(400, "Low disk space on Storage Domain data.", system.disks_service().add, wanted)
    wanted = t.Disk(name="x", format=t.DiskFormat.COW, sparse=False, provisioned_size=MIB, storage_domains=[t.StorageDomain(name="data")])
    refused(400, "The selected disk configuration is not supported.", system.disks_service().add, wanted)
    wanted = t.Disk(name="x", format=t.DiskFormat.COW, provisioned_size=MIB, storage_domains=[t.StorageDomain(name="none")])
    refused(404, "Entity not found: StorageDomain: name=none", system.disks_service().add, wanted)


@pytest.mark.parametrize(("disk_format", "transfer_format"), [("cow", "raw"), ("raw", "raw"), ("cow", "cow")])
def test_what_is_uploaded_is_the_disk_and_is_what_is_downloaded(
    simulator: Served, system: Any, tmp_path: Path, disk_format: str, transfer_format: str
) -> None:
    from ovirt_imageio import client

    t = types()
    add_host(system)
    add_domain(system)
    disk = add_disk(system, format=disk_format)
    source = image(tmp_path)
    transfer, service = open_transfer(system, disk, format=t.DiskFormat(transfer_format))
    assert transfer.transfer_url.startswith("https://localhost:") and transfer.host.id
    assert str(system.disks_service().disk_service(disk.id).get().status) == "locked"
    if transfer_format == "cow":
        put_file(source, transfer, simulator)
    else:
        upload(source, transfer, simulator)
    until("some of it was transferred", lambda: service.get().transferred, lambda seen: seen > 4 * MIB)
    service.finalize()
    assert until_ended(service) == "finished_success"
    assert str(system.disks_service().disk_service(disk.id).get().status) == "ok"
    assert content(stored(simulator, disk)) == content(source)
    transfer, service = open_transfer(system, disk, "download")
    client.download(transfer.transfer_url, str(tmp_path / "back.raw"), str(simulator.ca_file), fmt="raw")
    service.finalize()
    assert until_ended(service) == "finished_success"
    assert content(tmp_path / "back.raw") == content(source)


def put_file(file: Path, transfer: Any, served: Served) -> None:
    """The bytes of a file as they are."""
    import ssl
    import urllib.request

    wanted = urllib.request.Request(transfer.transfer_url, file.read_bytes(), method="PUT")
    with urllib.request.urlopen(wanted, context=ssl.create_default_context(cafile=str(served.ca_file))) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: image(folder, size=32 * MIB), "Image virtual size 33554432 doesn't match the disk's 67108864"),
        (lambda folder: text_file(folder), "the disk is cow, and what was uploaded is raw"),
        (lambda folder: backed(folder), "what was uploaded names a backing file"),
    ],
)
def test_an_upload_that_is_not_the_disk_it_was_announced_as_ends_illegal(
    simulator: Served, system: Any, tmp_path: Path, make: Any, said: str
) -> None:
    add_host(system)
    add_domain(system)
    disk = add_disk(system)
    transfer, service = open_transfer(system, disk, format=types().DiskFormat.COW)
    put_file(make(tmp_path), transfer, simulator)
    service.finalize()
    assert until_ended(service) == "finished_failure"
    assert str(system.disks_service().disk_service(disk.id).get().status) == "illegal"
    assert system.events_service().list(search="type=1034")[0].description == f"Image Upload with disk root failed: {said}."


def text_file(folder: Path) -> Path:
    (folder / "page.html").write_text("<html>not an image</html>" * 100)
    return folder / "page.html"


def backed(folder: Path) -> Path:
    base = image(folder, "base.qcow2")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, folder / "thin.qcow2"], check=True)
    return folder / "thin.qcow2"


def test_an_upload_broken_in_the_middle_leaves_the_transfer_to_go_on_with(simulator: Served, system: Any, tmp_path: Path) -> None:
    add_host(system)
    add_domain(system)
    disk = add_disk(system, format="raw")
    source = image(tmp_path, content=16 * MIB)
    admin(simulator, "POST", "/faults", {"kind": "broken_upload", "bytes": 5 * MIB, "times": 1})
    transfer, service = open_transfer(system, disk)
    with pytest.raises(Exception):  # noqa: B017 - whichever the client meets first
        upload(source, transfer, simulator)
    assert str(service.get().phase) == "transferring"
    upload(source, transfer, simulator)
    service.finalize()
    assert until_ended(service) == "finished_success"
    assert content(stored(simulator, disk)) == content(source)


def test_a_cancelled_upload_leaves_a_disk_that_can_only_be_removed(simulator: Served, system: Any) -> None:
    add_host(system)
    add_domain(system)
    disk = add_disk(system)
    _, service = open_transfer(system, disk)
    removal = system.disks_service().disk_service(disk.id).remove
    refused(409, "Disk root is being transferred.", removal)
    service.cancel()
    assert until_ended(service) == "finished_cleanup"
    assert str(system.disks_service().disk_service(disk.id).get().status) == "illegal"
    refused(409, "Cannot cancel image transfer. Its phase is finished_cleanup.", service.cancel)
    removal()
    assert list(simulator.engine.images.glob("*")) == []


def test_a_silent_client_is_paused_or_cancelled_as_it_asked_and_goes_on(simulator: Served, system: Any, tmp_path: Path) -> None:
    t = types()
    add_host(system)
    add_domain(system)
    disk = add_disk(system, format="raw")
    transfer, service = open_transfer(system, disk, inactivity_timeout=1, timeout_policy=t.ImageTransferTimeoutPolicy.PAUSE)
    paused = until("paused", service.get, lambda seen: str(seen.phase) == "paused_system")
    assert paused.transfer_url is None
    service.resume()
    again = until("transferring", service.get, lambda seen: str(seen.phase) == "transferring")
    assert again.transfer_url == transfer.transfer_url
    source = image(tmp_path)
    upload(source, again, simulator)
    service.finalize()
    assert until_ended(service) == "finished_success"
    _, service = open_transfer(system, disk, "download", inactivity_timeout=1)
    assert until_ended(service) == "finished_cleanup"
    assert str(system.disks_service().disk_service(disk.id).get().status) == "ok"


def test_a_disk_is_transferred_once_at_a_time_and_not_while_it_is_run_from(system: Any) -> None:
    t = types()
    add_host(system)
    add_domain(system)
    add_template(system)
    vm = add_vm(system, "one", "debian")
    attached = system.vms_service().vm_service(vm.id).disk_attachments_service().list()[0]
    transfers = system.image_transfers_service()
    _, service = open_transfer(system, attached)
    refused(409, "is being transferred", transfers.add, t.ImageTransfer(disk=t.Disk(id=attached.id)))
    service.finalize()
    until_ended(service)
    refused(400, "ImageTransfer [disk|image|snapshot] required for add", transfers.add, t.ImageTransfer())
    until_status(system.disks_service().disk_service(attached.id), "ok")
    start(system, vm)
    refused(409, "VM is running.", transfers.add, t.ImageTransfer(disk=t.Disk(id=attached.id)))


def test_a_host_that_stops_answering_pauses_its_transfers_and_they_go_on_after_it(simulator: Served, system: Any, tmp_path: Path) -> None:
    add_host(system)
    add_domain(system)
    disk = add_disk(system, format="raw")
    _, service = open_transfer(system, disk)
    admin(simulator, "POST", "/hosts/hv1", {"status": "non_responsive"})
    until("paused", service.get, lambda seen: str(seen.phase) == "paused_system")
    admin(simulator, "POST", "/hosts/hv1", {"status": "up"})
    service.resume()
    transfer = until("transferring", service.get, lambda seen: str(seen.phase) == "transferring")
    upload(image(tmp_path), transfer, simulator)
    service.finalize()
    assert until_ended(service) == "finished_success"


def test_a_machine_does_not_start_from_a_domain_in_maintenance(system: Any) -> None:
    add_host(system)
    domain = add_domain(system)
    add_template(system)
    vm = add_vm(system, "one", "debian")
    service = attached_domains(system).storage_domain_service(domain.id)
    service.deactivate()
    until_status(service, "maintenance")
    refused(400, "Cannot run VM. The relevant Storage Domain is inaccessible.", system.vms_service().vm_service(vm.id).start)

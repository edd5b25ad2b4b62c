"""Steps the tests of the simulator share, taken with the unmodified SDK."""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.simulators.ovirt import Served
from lab.wait import wait_for

MIB = 1024**2
LIMIT_SECONDS = 60


def until(what: str, probe: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    """What was seen when it was as wanted."""
    return wait_for(what, probe, wanted, LIMIT_SECONDS, pause_seconds=0.02)


def until_status(service: Any, status: str) -> Any:
    """The object, as soon as it has this status."""
    return until(f"status {status}", service.get, lambda seen: str(seen.status) == status)


def types() -> Any:
    """The SDK's types."""
    from ovirtsdk4 import types as found  # type: ignore[import-untyped]

    return found


def add_host(system: Any, name: str = "hv1", cluster: str = "Default") -> Any:
    """A hypervisor that is up."""
    t = types()
    address = f"{name}.lab.test"
    host = system.hosts_service().add(t.Host(name=name, address=address, root_password="x", cluster=t.Cluster(name=cluster)))
    return until_status(system.hosts_service().host_service(host.id), "up")


def add_domain(system: Any, name: str = "data", kind: str = "data") -> Any:
    """A storage domain, active in the default data center."""
    t = types()
    nfs = t.HostStorage(type=t.StorageType.NFS, address="nas.lab.test", path=f"/export/{name}")
    wanted = t.StorageDomain(name=name, type=t.StorageDomainType(kind), host=t.Host(name="hv1"), storage=nfs)
    domain = system.storage_domains_service().add(wanted)
    attached = attached_domains(system)
    attached.add(t.StorageDomain(id=domain.id))
    until_status(attached.storage_domain_service(domain.id), "active")
    return domain


def attached_domains(system: Any) -> Any:
    """The service of the default data center's domains."""
    centers = system.data_centers_service()
    return centers.data_center_service(centers.list(search="name=Default")[0].id).storage_domains_service()


def add_disk(system: Any, name: str = "root", format: str = "cow", size: int = 64 * MIB, **more: Any) -> Any:
    """A disk that is there."""
    t = types()
    domains = [t.StorageDomain(name="data")]
    wanted = t.Disk(name=name, format=t.DiskFormat(format), provisioned_size=size, storage_domains=domains, **({"sparse": True} | more))
    disk = system.disks_service().add(wanted)
    return until_status(system.disks_service().disk_service(disk.id), "ok")


def add_vm(system: Any, name: str = "base", template: str = "Blank", **more: Any) -> Any:
    """A machine that is down."""
    t = types()
    vm = system.vms_service().add(t.Vm(name=name, cluster=t.Cluster(name="Default"), template=t.Template(name=template), **more))
    return until_status(system.vms_service().vm_service(vm.id), "down")


def add_template(system: Any, name: str = "debian") -> Any:
    """A template with one disk and one card, of a machine `base`."""
    t = types()
    disk, vm = add_disk(system), add_vm(system)
    service = system.vms_service().vm_service(vm.id)
    service.disk_attachments_service().add(t.DiskAttachment(disk=t.Disk(id=disk.id), bootable=True, interface=t.DiskInterface.VIRTIO))
    profile = system.vnic_profiles_service().list()[0]
    service.nics_service().add(t.Nic(name="nic1", vnic_profile=t.VnicProfile(id=profile.id)))
    template = system.templates_service().add(t.Template(name=name, vm=t.Vm(id=vm.id)))
    return until_status(system.templates_service().template_service(template.id), "ok")


def start(system: Any, machine: Any, **more: Any) -> Any:
    """A machine that is up."""
    service = system.vms_service().vm_service(machine.id)
    service.start(**more)
    return until_status(service, "up")


def image(folder: Path, name: str = "source.qcow2", size: int = 64 * MIB, content: int = 4 * MIB) -> Path:
    """A qcow2 image with random content."""
    raw, file = folder / f"{name}.raw", folder / name
    with raw.open("wb") as stream:
        stream.truncate(size)
        stream.seek(MIB)
        stream.write(os.urandom(content))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, file], check=True)
    return file


def open_transfer(system: Any, disk: Any, direction: str = "upload", **more: Any) -> tuple[Any, Any]:
    """A transfer a client may begin with, and its service."""
    t = types()
    words = {"format": t.DiskFormat.RAW} | more
    wanted = t.ImageTransfer(disk=t.Disk(id=disk.id), direction=t.ImageTransferDirection(direction), **words)
    service = system.image_transfers_service().image_transfer_service(system.image_transfers_service().add(wanted).id)
    return until("the transfer may begin", service.get, lambda seen: str(seen.phase) == "transferring"), service


def until_ended(service: Any) -> str:
    """The phase a transfer ended in."""
    return str(until("the transfer ends", service.get, lambda seen: str(seen.phase).startswith("finished")).phase)


def admin(served: Served, method: str, path: str = "", body: Any = None) -> Any:
    """What the admin endpoint answers."""
    status, _, text = request(served, method, "/simulator" + path, json.dumps(body).encode() if body is not None else b"", basic(served))
    assert status == 200, text
    return json.loads(text)


def basic(served: Served) -> dict[str, str]:
    """The header of name and password."""
    return {"Authorization": "Basic " + base64.b64encode(f"{served.user}:{served.password}".encode()).decode()}


def request(served: Served, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> tuple[int, Any, bytes]:
    """Status, headers and body of one request without the SDK."""
    url = served.url.removesuffix("/ovirt-engine/api") + path
    context = ssl.create_default_context(cafile=str(served.ca_file))
    wanted = urllib.request.Request(url, body or None, headers or {}, method=method)
    try:
        with urllib.request.urlopen(wanted, context=context, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()

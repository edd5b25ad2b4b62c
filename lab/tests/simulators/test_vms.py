"""Virtual machines, templates, snapshots and affinity groups, with the unmodified SDK over HTTPS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lab.simulators.ovirt import Served
from lab.simulators.ovirt.backend import BackendForTests, Seen
from lab.tests.simulators.test_resources import refused
from lab.tests.simulators.test_storage import content, stored, upload
from lab.tests.simulators.world import (
    MIB,
    add_disk,
    add_domain,
    add_host,
    add_template,
    add_vm,
    image,
    open_transfer,
    start,
    types,
    until,
    until_ended,
    until_status,
)


def backend(served: Served) -> BackendForTests:
    found = served.engine.backend
    assert isinstance(found, BackendForTests)
    return found


def lab_with_template(system: Any, hosts: tuple[str, ...] = ("hv1",)) -> None:
    for name in hosts:
        add_host(system, name)
    add_domain(system)
    add_template(system)


def test_a_machine_has_its_templates_disk_and_card_with_an_address_of_its_own(simulator: Served, system: Any) -> None:
    lab_with_template(system)
    vm = add_vm(system, "one", "debian", memory=512 * MIB)
    service = system.vms_service().vm_service(vm.id)
    assert (vm.memory, vm.memory_policy.guaranteed, vm.memory_policy.max) == (512 * MIB, 512 * MIB, 2048 * MIB)
    attachment = service.disk_attachments_service().list()[0]
    assert (attachment.bootable, attachment.id) == (True, attachment.disk.id)
    macs = [
        nic.mac.address for nic in [*service.nics_service().list(), *system.vms_service().vm_service(_base(system)).nics_service().list()]
    ]
    assert len(set(macs)) == 2 and all(mac.startswith("56:6f:00:00:00:") for mac in macs)
    assert [(each.description, str(each.snapshot_type)) for each in service.snapshots_service().list()] == [("Active VM", "active")]
    assert stored(simulator, attachment.disk).suffix == ".qcow2"


def _base(system: Any) -> str:
    return str(system.vms_service().list(search="name=base")[0].id)


def test_what_a_guest_reads_is_what_was_uploaded_through_template_and_machine(simulator: Served, system: Any, tmp_path: Path) -> None:
    t = types()
    add_host(system)
    add_domain(system)
    disk, source = add_disk(system), image(tmp_path)
    transfer, service = open_transfer(system, disk)
    upload(source, transfer, simulator)
    service.finalize()
    until_ended(service)
    base = add_vm(system)
    attachments = system.vms_service().vm_service(base.id).disk_attachments_service()
    attachments.add(t.DiskAttachment(disk=t.Disk(id=disk.id), bootable=True, interface=t.DiskInterface.VIRTIO))
    template = system.templates_service().add(t.Template(name="debian", vm=t.Vm(id=base.id)))
    until_status(system.templates_service().template_service(template.id), "ok")
    for name, clone in (("thin", False), ("whole", True)):
        wanted = t.Vm(name=name, cluster=t.Cluster(name="Default"), template=t.Template(name="debian"))
        vm = system.vms_service().add(wanted, clone=clone)
        until_status(system.vms_service().vm_service(vm.id), "down")
        start(system, vm)
        (found,) = backend(simulator).machines[vm.id].disks
        assert (content(found.file), found.format, found.is_bootable, found.size) == (content(source), "qcow2", True, 64 * MIB)


def test_a_start_hands_the_backend_disks_cards_and_the_config_drive(simulator: Served, system: Any) -> None:
    t = types()
    lab_with_template(system)
    vm = add_vm(system, "one", "debian", memory=512 * MIB)
    card = t.NicConfiguration(
        name="eth0", on_boot=True, boot_protocol=t.BootProtocol.STATIC, ip=t.Ip(address="10.0.0.9", netmask="255.255.255.0")
    )
    initialization = t.Initialization(host_name="one.lab", authorized_ssh_keys="ssh-ed25519 A", nic_configurations=[card])
    up = start(system, vm, use_cloud_init=True, vm=t.Vm(initialization=initialization))
    machine, drive = backend(simulator).machines[vm.id], backend(simulator).drives[vm.id]
    assert (machine.name, machine.memory, machine.cpus, machine.hypervisor.name) == ("one", 512 * MIB, 1, "hv1")
    assert [(nic.name, nic.network, nic.vlan) for nic in machine.nics] == [("nic1", "ovirtmgmt", None)]
    assert drive is not None
    assert json.loads((drive / "openstack/latest/meta_data.json").read_text())["hostname"] == "one.lab"
    assert json.loads((drive / "openstack/latest/network_data.json").read_text())["networks"][0]["ip_address"] == "10.0.0.9"
    assert (up.run_once, up.fqdn, up.host.id) == (True, None, system.hosts_service().list()[0].id)  # no name until the guest tells one


def test_kept_initialization_counts_at_the_first_start_only_and_hides_its_password(simulator: Served, system: Any) -> None:
    t = types()
    lab_with_template(system)
    kept = t.Initialization(host_name="one.lab", root_password="hunter2")
    vm = add_vm(system, "one", "debian", initialization=kept)
    service = system.vms_service().vm_service(vm.id)
    assert (service.get().initialization.host_name, service.get().initialization.root_password) == ("one.lab", None)
    start(system, vm)
    assert backend(simulator).drives[vm.id]
    service.stop()
    until_status(service, "down")
    start(system, vm)
    assert backend(simulator).drives[vm.id] is None


def test_addresses_are_those_the_machine_has_and_not_those_asked_for(simulator: Served, system: Any) -> None:
    t = types()
    lab_with_template(system)
    vm = add_vm(system, "one", "debian")
    card = t.NicConfiguration(
        name="eth0", on_boot=True, boot_protocol=t.BootProtocol.STATIC, ip=t.Ip(address="10.0.0.9", netmask="255.255.255.0")
    )
    start(system, vm, vm=t.Vm(initialization=t.Initialization(nic_configurations=[card])))
    service = system.vms_service().vm_service(vm.id)
    assert service.reported_devices_service().list() == []
    mac = backend(simulator).machines[vm.id].nics[0].mac
    device = {"name": "ens3", "mac": mac, "ips": ({"address": "10.0.0.77", "version": "v4"},)}
    backend(simulator).report(
        vm.id, Seen("running", "elsewhere.lab", (device,), guest={"distribution": "Debian GNU/Linux", "family": "Linux"})
    )
    (found,) = until("devices", service.reported_devices_service().list, bool)
    assert (found.name, found.mac.address, found.ips[0].address) == ("ens3", mac, "10.0.0.77")
    seen = system.vms_service().list(search="ip=10.0.0.77", follow="nics.reported_devices")[0]
    assert (seen.fqdn, seen.guest_operating_system.distribution) == ("elsewhere.lab", "Debian GNU/Linux")
    assert seen.nics[0].reported_devices[0].ips[0].address == "10.0.0.77"


def test_a_machine_that_ends_by_itself_is_down_with_an_event(simulator: Served, system: Any) -> None:
    lab_with_template(system)
    vm = start(system, add_vm(system, "one", "debian"))
    backend(simulator).report(vm.id, Seen("gone", detail="guest panicked"))
    found = until_status(system.vms_service().vm_service(vm.id), "down")
    assert (found.host, system.events_service().list(search="type=119")[0].description) == (
        None,
        "VM one is down with error. Exit message: guest panicked.",
    )


def test_a_machine_that_starts_is_up_only_when_its_guest_is(simulator: Served, system: Any) -> None:
    lab_with_template(system)
    vm = add_vm(system, "one", "debian")
    backend(simulator).report(vm.id, Seen("starting"))
    service = system.vms_service().vm_service(vm.id)
    service.start()
    until_status(service, "powering_up")
    backend(simulator).report(vm.id, Seen("running"))
    until_status(service, "up")


def test_a_start_that_fails_says_why_in_an_event(simulator: Served, system: Any) -> None:
    lab_with_template(system)
    vm = add_vm(system, "one", "debian")
    backend(simulator).refuse("start", "no space left on device")
    service = system.vms_service().vm_service(vm.id)
    service.start()
    until("down", service.get, lambda seen: str(seen.status) == "down")
    assert "no space left on device" in until("an event", lambda: system.events_service().list(search="type=54"), bool)[0].description


def test_machines_are_refused_as_the_engine_refuses_them(system: Any) -> None:
    t = types()
    lab_with_template(system)
    vms = system.vms_service()
    cluster, template = t.Cluster(name="Default"), t.Template(name="debian")
    refused(400, "Vm [name] required for add", vms.add, t.Vm(cluster=cluster, template=template))
    refused(400, "Vm [cluster] required for add", vms.add, t.Vm(name="x", template=template))
    refused(404, "Entity not found: Cluster: name=none", vms.add, t.Vm(name="x", cluster=t.Cluster(name="none"), template=template))
    refused(404, "Entity not found: Template: name=none", vms.add, t.Vm(name="x", cluster=cluster, template=t.Template(name="none")))
    refused(409, "The VM name is already in use", vms.add, t.Vm(name="base", cluster=cluster, template=template))
    autoconf = t.NicConfiguration(name="eth0", on_boot=True, ipv6_boot_protocol=t.BootProtocol.AUTOCONF)
    wanted = t.Vm(name="x", cluster=cluster, template=template, initialization=t.Initialization(nic_configurations=[autoconf]))
    refused(400, "'Stateless address autoconfiguration' (auto conf) is not supported", vms.add, wanted)
    empty = vms.vm_service(add_vm(system, "empty").id)
    refused(400, "Cannot run VM without at least one bootable disk.", empty.start)
    refused(409, "Cannot stop VM. VM is not running.", empty.stop)
    refused(409, "Cannot migrate VM. VM is not running.", empty.migrate)
    vm = start(system, add_vm(system, "one", "debian"))
    service = vms.vm_service(vm.id)
    refused(409, "Cannot run VM. VM is running.", service.start)
    refused(409, "Cannot remove VM. VM is running.", service.remove)
    refused(409, "There are no hosts to use.", service.migrate)
    refused(409, "Cannot delete Template. Template is being used by the following VMs: one.", _template(system).remove)
    refused(409, "VM is locked or still running", system.templates_service().add, t.Template(name="x", vm=t.Vm(id=vm.id)))


def _template(system: Any) -> Any:
    return system.templates_service().template_service(system.templates_service().list(search="name=debian")[0].id)


def test_the_blank_template_stays(system: Any) -> None:
    blank = system.templates_service().template_service("00000000-0000-0000-0000-000000000000")
    assert blank.get().name == "Blank"
    refused(409, "Removing Blank Template is not allowed.", blank.remove)


def test_a_running_machine_is_changed_at_its_next_start_where_it_has_to_be(system: Any) -> None:
    t = types()
    lab_with_template(system)
    vm = start(system, add_vm(system, "one", "debian"))
    service = system.vms_service().vm_service(vm.id)
    changed = service.update(t.Vm(description="now", memory=2048 * MIB))
    assert (changed.description, changed.memory, changed.next_run_configuration_exists) == ("now", 1024 * MIB, True)
    assert service.get(next_run=True).memory == 2048 * MIB
    service.stop()
    found = until_status(service, "down")
    assert (found.memory, found.next_run_configuration_exists) == (2048 * MIB, False)


def test_a_removed_machine_takes_disks_snapshots_and_drive_with_it(simulator: Served, system: Any) -> None:
    t = types()
    lab_with_template(system)
    files = set(simulator.engine.images.glob("*"))
    vm = add_vm(system, "one", "debian")
    service = system.vms_service().vm_service(vm.id)
    service.snapshots_service().add(t.Snapshot(description="before"))
    until("the snapshot", service.snapshots_service().list, lambda seen: [str(each.snapshot_status) for each in seen] == ["ok", "ok"])
    start(system, vm, use_cloud_init=True, vm=t.Vm(initialization=t.Initialization(host_name="one")))
    service.stop()
    until_status(service, "down")
    service.update(t.Vm(delete_protected=True))
    refused(400, "Delete protection is enabled", service.remove)
    service.update(t.Vm(delete_protected=False))
    service.remove()
    assert set(simulator.engine.images.glob("*")) == files
    assert list((simulator.engine.folder / "drives").iterdir()) == []
    _template(system).remove()
    assert [each.name for each in system.templates_service().list()] == ["Blank"]


def test_cards_have_names_and_addresses_of_their_own(system: Any) -> None:
    t = types()
    lab_with_template(system)
    nics = system.vms_service().vm_service(add_vm(system, "one", "debian").id).nics_service()
    profile = t.VnicProfile(id=system.vnic_profiles_service().list()[0].id)
    nic = nics.add(t.Nic(name="nic2", vnic_profile=profile, mac=t.Mac(address="56:6f:11:22:33:44")))
    assert (nic.mac.address, nic.plugged, nic.linked, str(nic.interface)) == ("56:6f:11:22:33:44", True, True, "virtio")
    refused(409, "Network interface name is already in use", nics.add, t.Nic(name="nic2"))
    refused(
        409,
        "MAC Address 56:6F:11:22:33:44 is already in use by VM or snapshot: one.",
        nics.add,
        t.Nic(name="x", mac=t.Mac(address="56:6F:11:22:33:44")),
    )
    refused(400, "The specified MAC Address cannot be set.", nics.add, t.Nic(name="x", mac=t.Mac(address="01:00:00:00:00:01")))
    network = system.networks_service().add(t.Network(name="apart", data_center=t.DataCenter(name="Default")))
    other = t.VnicProfile(id=system.networks_service().network_service(network.id).vnic_profiles_service().list()[0].id)
    refused(400, "doesn't exist in the current Cluster", nics.add, t.Nic(name="x", vnic_profile=other))
    nics.nic_service(nic.id).deactivate()
    assert nics.nic_service(nic.id).get().plugged is False
    nics.nic_service(nic.id).remove()
    assert [each.name for each in nics.list()] == ["nic1"]


def test_a_snapshot_brings_the_disk_back(simulator: Served, system: Any, tmp_path: Path) -> None:
    t = types()
    lab_with_template(system)
    vm = add_vm(system, "one", "debian")
    service = system.vms_service().vm_service(vm.id)
    disk = service.disk_attachments_service().list()[0].disk
    before = content(stored(simulator, disk))
    snapshots = service.snapshots_service()
    snapshot = snapshots.add(t.Snapshot(description="before"))
    until_status_of_snapshot(snapshots, snapshot.id)
    assert [each.name for each in snapshots.snapshot_service(snapshot.id).disks_service().list()] == ["root"]
    transfer, upload_service = open_transfer(system, disk)
    upload(image(tmp_path), transfer, simulator)
    upload_service.finalize()
    until_ended(upload_service)
    assert content(stored(simulator, disk)) != before
    snapshots.snapshot_service(snapshot.id).restore()
    until_status(service, "down")
    assert content(stored(simulator, disk)) == before
    active = next(each for each in snapshots.list() if str(each.snapshot_type) == "active")
    refused(409, "Removing the VM active Snapshot is not allowed.", snapshots.snapshot_service(active.id).remove)
    snapshots.snapshot_service(snapshot.id).remove()
    until("gone", snapshots.list, lambda seen: len(seen) == 1)


def until_status_of_snapshot(snapshots: Any, id: str) -> None:
    until("the snapshot", snapshots.snapshot_service(id).get, lambda seen: str(seen.snapshot_status) == "ok")


def test_an_exported_machine_is_on_the_export_domain(system: Any) -> None:
    t = types()
    lab_with_template(system)
    domain = add_domain(system, "export", "export")
    vm = add_vm(system, "one", "debian")
    service = system.vms_service().vm_service(vm.id)
    service.export(storage_domain=t.StorageDomain(name="export"))
    exported = system.storage_domains_service().storage_domain_service(domain.id).vms_service()
    until("exported", exported.list, lambda seen: [each.name for each in seen] == ["one"])
    refused(400, "is not an export domain", service.export, storage_domain=t.StorageDomain(name="data"))


def test_an_action_with_what_the_simulator_does_not_heed_is_refused_and_not_done(system: Any) -> None:
    lab_with_template(system)
    service = system.vms_service().vm_service(add_vm(system, "one", "debian").id)
    refused(501, "The engine knows element 'pause' of action 'start'", service.start, pause=True)
    refused(501, "element 'directory' of action 'export'", service.export_to_path_on_host, directory="/tmp", filename="one.ova")
    assert str(service.get().status) == "down"
    service.start(pause=False)
    until_status(service, "up")


def test_a_disk_grows_also_through_its_machine(simulator: Served, system: Any) -> None:
    t = types()
    lab_with_template(system)
    attachments = system.vms_service().vm_service(add_vm(system, "one", "debian").id).disk_attachments_service()
    disk = attachments.list()[0].disk
    attachments.attachment_service(disk.id).update(t.DiskAttachment(disk=t.Disk(provisioned_size=96 * MIB)))
    grown = until_status(system.disks_service().disk_service(disk.id), "ok")
    assert grown.provisioned_size == 96 * MIB
    assert len(content(stored(simulator, disk))) == 64


def test_a_backup_is_what_the_disk_was_when_it_began(simulator: Served, system: Any, tmp_path: Path) -> None:
    from ovirt_imageio import client  # type: ignore[import-untyped]

    t = types()
    lab_with_template(system)
    service = system.vms_service().vm_service(add_vm(system, "one", "debian").id)
    disk = service.disk_attachments_service().list()[0].disk
    before = content(stored(simulator, disk))
    backup = service.backups_service().add(t.Backup(disks=[t.Disk(id=disk.id)]))
    backup_service = service.backups_service().backup_service(backup.id)
    until("ready", backup_service.get, lambda seen: str(seen.phase) == "ready")
    transfer, upload_service = open_transfer(system, disk)
    upload(image(tmp_path), transfer, simulator)
    upload_service.finalize()
    until_ended(upload_service)
    transfer, download = open_transfer(system, disk, "download", backup=t.Backup(id=backup.id))
    refused(409, "There are disks of it that are being transferred", backup_service.finalize)
    client.download(transfer.transfer_url, str(tmp_path / "back.raw"), str(simulator.ca_file), fmt="raw")
    download.finalize()
    assert until_ended(download) == "finished_success"
    assert content(tmp_path / "back.raw") == before != content(stored(simulator, disk))
    backup_service.finalize()
    until("over", backup_service.get, lambda seen: str(seen.phase) == "succeeded")
    assert len(list(simulator.engine.images.glob("*"))) == 3

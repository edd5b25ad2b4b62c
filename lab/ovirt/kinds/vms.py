"""VMs: /vms, with their interfaces, disks and first boot."""

from __future__ import annotations

from typing import Any

from lab.ovirt.engine import NotReached
from lab.ovirt.kinds.base import removed, said
from lab.ovirt.kinds.vms_observed import boot_disk, name_of, observed
from lab.ovirt.kinds.vnic_profiles import profile_id
from lab.ovirt.model_vms import CloudInit, Vm
from lab.ovirt.plan import Seen, Step
from lab.ovirt.sdk import types, word
from lab.ovirt.state import State
from lab.ovirt.thing import GIB, MIB

CREATE_SECONDS = 1800  # disks are copied where the template's are not shared
START_SECONDS = 600
STOP_SECONDS = 180  # a guest gets this long to shut down by itself
NOT_STARTING = {
    "down": "the events above say why; without one, its disk holds nothing that boots",
    "not_responding": "its hypervisor lost it: look at the hypervisor",
    "unknown": "its hypervisor is non-responsive: mend that first",
    "paused": "it is paused, most often because its storage is full or away",
}


class Vms:
    """VMs made from templates."""

    def observe(self, state: State) -> dict[str, Seen]:
        """By name."""
        return {item.name: observed(state, item) for item in state.objects("vms")}

    def create(self, state: State, thing: Vm) -> None:
        """The VM with what its first boot is told, its hardware, and then the power button."""
        request = self.hardware(thing)
        request.name = thing.name
        request.cluster = types().Cluster(id=state.id("clusters", thing.cluster, said(thing, "create")))
        request.template = types().Template(id=state.id("templates", thing.template, said(thing, "create")))
        request.initialization = first_boot(thing.cloud_init) if thing.cloud_init else None
        # EL9 has no SPICE any more: a VM that asks for it, as older templates do, does not start.
        request.display = types().Display(type=types().DisplayType.VNC)
        made = state.engine.tell(said(thing, "create"), lambda: state.service("vms").add(request))
        service = state.service("vms").vm_service(made.id)
        self.made(state, thing, service)
        self.plug(
            state,
            thing,
            service,
            {nic.name: nic.id for nic in state.engine.ask(said(thing, "interfaces"), service.nics_service().list)},
            {},
        )
        self.add_disks(state, thing, service, {}, {})
        if thing.disk_gib is not None:
            made = state.engine.ask(said(thing, "its boot disk"), lambda: service.get(follow="disk_attachments.disk"))
            self.grow_boot_disk(state, thing, service, boot_disk(made))
        if thing.state == "running":
            self.start(state, thing, service)

    def update(self, state: State, thing: Vm, seen: Seen, step: Step) -> None:
        """What differs. Memory and vCPUs of a running VM change with its next start, which is not forced."""
        service = state.service("vms").vm_service(seen.id)
        if seen.notes["status"] == "image_locked":  # a run that was killed left it being made
            self.made(state, thing, service)
        if {"memory_mib", "vcpus", "description"} & set(step.changes):
            running = seen.values["state"] != "stopped"
            state.engine.tell(said(thing, "change"), lambda: service.update(self.hardware(thing), next_run=running or None))
        if "nics" in step.changes:
            self.plug(state, thing, service, seen.notes["nics"], step.before["nics"])
        if "disks" in step.changes:
            self.add_disks(state, thing, service, seen.notes["disks"], step.before["disks"])
        if "disk_gib" in step.changes:
            there = state.engine.ask(said(thing, "its boot disk"), lambda: service.get(follow="disk_attachments.disk"))
            self.grow_boot_disk(state, thing, service, boot_disk(there))
        if "state" in step.changes:
            if thing.state == "running":
                self.start(state, thing, service)
            else:
                self.stop(state, thing.name, service, seen.values["state"])

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """Powered off, then away with its disks."""
        service = state.service("vms").vm_service(seen.id)
        if seen.values["state"] != "stopped":
            self.stop(state, key, service, seen.values["state"], gently=False)
        removed(state, f"vm {key}", service)

    def hardware(self, thing: Vm) -> Any:
        """What can also be changed later. The guaranteed memory follows: the engine refuses one above the size."""
        size = thing.memory_mib * MIB
        return types().Vm(
            description=thing.description,
            memory=size,
            memory_policy=types().MemoryPolicy(guaranteed=size, max=4 * size),
            cpu=types().Cpu(topology=types().CpuTopology(sockets=thing.vcpus, cores=1, threads=1)),
        )

    def made(self, state: State, thing: Vm, service: Any) -> None:
        """Until its disks are there."""
        state.engine.wait(
            f"{thing.ref} is made",
            lambda: word(service.get().status),
            lambda status: status == "down",
            CREATE_SECONDS,
            lambda status: status == "unknown",
        )

    def plug(self, state: State, thing: Vm, service: Any, ids: dict[str, str], before: dict[str, Any]) -> None:
        """Interfaces that are missing are made, others get their profile; those we do not know are left."""
        nics = service.nics_service()
        for nic in thing.nics:
            wanted = thing.wanted()["nics"][nic.name]
            if nic.name in ids and before.get(nic.name) == wanted:
                continue
            profile = profile_id(state, thing.data_center, nic.plugged, said(thing, f"interface {nic.name}"))
            request = types().Nic(name=nic.name, interface=types().NicInterface.VIRTIO, vnic_profile=types().VnicProfile(id=profile))
            request.mac = types().Mac(address=nic.mac) if nic.mac else None
            if nic.name in ids:
                there = nics.nic_service(ids[nic.name])
                state.engine.tell(said(thing, f"replug {nic.name}"), lambda: there.update(request))  # noqa: B023 - called at once
            else:
                state.engine.tell(said(thing, f"plug in {nic.name}"), lambda: nics.add(request))  # noqa: B023

    def add_disks(self, state: State, thing: Vm, service: Any, ids: dict[str, str], before: dict[str, Any]) -> None:
        """Disks that are missing are made, and small ones grow; the planner refuses to shrink."""
        attachments = service.disk_attachments_service()
        for disk in thing.disks:
            size = disk.size_gib * GIB
            if disk.name in ids:
                if before[disk.name]["size_gib"] < disk.size_gib:
                    self.grow(state, thing, attachments.attachment_service(ids[disk.name]), disk.name, size)
                continue
            domain = state.id("storage_domains", disk.storage_domain, said(thing, f"disk {disk.name}"))
            content = types().Disk(
                name=disk.name,
                format=types().DiskFormat.RAW,
                sparse=True,
                provisioned_size=size,
                storage_domains=[types().StorageDomain(id=domain)],
            )
            request = types().DiskAttachment(disk=content, bootable=False, active=True, interface=types().DiskInterface.VIRTIO)
            made = state.engine.tell(said(thing, f"make disk {disk.name}"), lambda: attachments.add(request))  # noqa: B023
            content_service = state.service("disks").disk_service(made.disk.id if made.disk else made.id)
            state.engine.wait(
                f"{thing.ref}: disk {disk.name} can be used",
                lambda: word(content_service.get().status),  # noqa: B023
                lambda status: status == "ok",
                CREATE_SECONDS,
                lambda status: status == "illegal",
            )

    def grow_boot_disk(self, state: State, thing: Vm, service: Any, attachment: Any) -> None:
        """A larger one than the template's; the guest grows into it when it boots."""
        size = (thing.disk_gib or 0) * GIB
        if attachment is not None and (attachment.disk.provisioned_size or 0) < size:
            one = service.disk_attachments_service().attachment_service(attachment.id)
            self.grow(state, thing, one, name_of(attachment), size)

    def grow(self, state: State, thing: Vm, attachment: Any, name: str, size: int) -> None:
        """The engine grows a disk on its storage, while the VM may run."""
        grown = types().DiskAttachment(disk=types().Disk(provisioned_size=size))
        made = state.engine.tell(said(thing, f"grow disk {name}"), lambda: attachment.update(grown))
        disk = state.service("disks").disk_service(made.disk.id if made.disk else made.id)

        def look() -> tuple[str, int]:
            found = disk.get()
            return word(found.status), found.provisioned_size or 0

        wanted = ("ok", size)
        state.engine.wait(f"{thing.ref}: disk {name} has grown", look, lambda seen: seen == wanted, CREATE_SECONDS)

    def start(self, state: State, thing: Vm, service: Any) -> None:
        """The power button; the engine shows the guest its first-boot drive by itself, once."""
        since = state.engine.last_event()
        state.engine.tell(said(thing, "start"), service.start)
        grace = iter(range(GRACE_LOOKS))
        state.engine.wait(
            f"{thing.ref} runs",
            lambda: word(service.get().status),
            lambda status: status == "up",
            START_SECONDS,
            lambda status: status in NOT_STARTING and next(grace, None) is None,
            lambda status: NOT_STARTING.get(status, ""),
            since,
        )

    def stop(self, state: State, name: str, service: Any, status: str, *, gently: bool = True) -> None:
        """Asks the guest to shut down, and cuts the power where it does not."""
        down = f"vm {name} is down"

        def look() -> str:
            return word(service.get().status)

        if gently and status == "running":
            state.engine.tell(f"vm {name}: shut down", service.shutdown)
            try:
                state.engine.wait(down, look, lambda seen: seen == "down", STOP_SECONDS)
                return
            except NotReached:
                pass  # a guest that does not listen is no reason to fail
        state.engine.tell(f"vm {name}: power off", service.stop)
        state.engine.wait(down, look, lambda seen: seen == "down", STOP_SECONDS)


GRACE_LOOKS = 4


def first_boot(wanted: CloudInit) -> Any:
    """What the engine writes onto the config drive. DNS servers travel in one text, split by single spaces there."""
    addresses = [
        types().NicConfiguration(
            name=item.interface,
            on_boot=True,
            boot_protocol=types().BootProtocol.STATIC,
            ip=types().Ip(
                address=str(item.address.ip),
                netmask=str(item.address.netmask),
                gateway=str(item.gateway) if item.gateway else None,
                version=types().IpVersion.V4,
            ),
        )
        for item in wanted.addresses
    ]
    return types().Initialization(
        host_name=wanted.hostname,
        nic_configurations=addresses or None,
        dns_servers=" ".join(map(str, wanted.dns_servers)) or None,
        dns_search=" ".join(wanted.dns_search) or None,
        user_name=wanted.user,
        authorized_ssh_keys="\n".join(wanted.authorized_keys) or None,
        custom_script=wanted.script or None,
    )

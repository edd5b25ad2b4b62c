"""An image file becomes a disk, and the disk a template: one step that goes on where it was stopped.

What is done is written on the engine itself, in descriptions, so that it survives a kill of ours:
disk `strata-HASH` says `strata upload sha256:...` while it is being filled and `strata image sha256:...` once what arrived was compared;
the template says `strata making sha256:...`, and `strata sha256:...` once all that it took is cleared away.
The VM that a template must be made from is removed at the end.
"""

from __future__ import annotations

from typing import Any

from lab.errors import LabError
from lab.ovirt import transfer
from lab.ovirt.errors import Gone
from lab.ovirt.images import Image
from lab.ovirt.kinds.base import removed
from lab.ovirt.model_vms import Template
from lab.ovirt.sdk import ident, text, types, word
from lab.ovirt.state import State
from lab.ovirt.thing import MIB

DISK_SECONDS = 600
TEMPLATE_SECONDS = 3600  # the disk is copied on the storage
BLANK = "00000000-0000-0000-0000-000000000000"
SENDING, COMPARED = "strata upload sha256:", "strata image sha256:"
MAKING, MADE = "strata making sha256:", "strata sha256:"


def marked(description: str | None, mark: str) -> str:
    """The checksum in a description that begins with this mark; empty without."""
    return text(description).removeprefix(mark) if text(description).startswith(mark) else ""


def make_template(state: State, thing: Template, image: Image) -> None:
    """The whole step; each part is skipped where an earlier run did it."""
    template = half_made(state, thing, image)
    if template is None:
        vm = carrier(state, thing, image, uploaded(state, thing, image))
        template = from_vm(state, thing, image, vm)
    settle_template(state, thing, template)
    clean_up(state, image.sha256)
    service = state.service("templates").template_service(template)
    request = types().Template(description=f"{MADE}{image.sha256}")
    state.engine.tell(f"{thing.ref}: note that it is whole", lambda: service.update(request))


def short(sha256: str) -> str:
    """The name of what belongs to one image."""
    return f"strata-{sha256[:12]}"


def uploaded(state: State, thing: Template, image: Image) -> str:
    """The id of a disk that was compared with the image."""
    what = f"{thing.ref}: upload of {image.file.name}"
    found = find_disk(state, image.sha256)
    if found and marked(found.description, COMPARED) and word(found.status) == "ok":
        return str(found.id)
    if found and marked(found.description, COMPARED) and word(found.status) == "locked":
        settle_disk(state, what, found.id)  # a template is being made from it
        return str(found.id)
    left = transfer.running(state.engine, found.id, what) if found else None
    begin = left.sent() if left else 0
    if found and not left:
        remove_disk(state, what, found.id)
        found = None
    ident_ = str(found.id) if found else new_disk(state, thing, image, what)
    going = left or transfer.start(state.engine, what, "upload", disk=types().Disk(id=ident_))
    try:
        transfer.upload(going, image, begin)
        going.finish()
        settle_disk(state, what, ident_)
    except BaseException:
        abandon(state, what, going, ident_)
        raise
    service = state.service("disks").disk_service(ident_)
    request = types().Disk(description=f"{COMPARED}{image.sha256}")
    state.engine.tell(f"{what}: note that it was compared", lambda: service.update(request))
    return ident_


def find_disk(state: State, sha256: str) -> Any:
    """Our disk of that image, whatever its state.

    Disks of templates and of VMs made from them are copies that keep name and description, so what belongs to anything but our carrier
    is not ours: taking one of those for it would give away, or remove, somebody's disk.
    """
    name = short(sha256)
    disks = state.engine.ask(f"disk {name}", lambda: state.service("disks").list(search=f'name="{name}"'))
    ours = [disk for disk in disks if sha256 in (marked(disk.description, SENDING), marked(disk.description, COMPARED))]
    if not ours:
        return None
    state.forget("templates", "vms")
    owners = [*state.objects("templates"), *(vm for vm in state.objects("vms") if vm.name != name)]
    taken = {ident(one.disk) or one.id for owner in owners for one in owner.disk_attachments or ()}
    return next((disk for disk in ours if disk.id not in taken), None)


def new_disk(state: State, thing: Template, image: Image, what: str) -> str:
    """An empty disk that takes the image."""
    domain = state.id("storage_domains", thing.storage_domain, what)
    request = types().Disk(
        name=short(image.sha256),
        description=f"{SENDING}{image.sha256}",
        format=types().DiskFormat(image.format),
        sparse=True,
        provisioned_size=image.virtual,
        initial_size=image.sent if image.format == "cow" else None,
        storage_domains=[types().StorageDomain(id=domain)],
    )
    made = state.engine.tell(f"{what}: make its disk", lambda: state.service("disks").add(request))
    settle_disk(state, what, made.id)
    return str(made.id)


def settle_disk(state: State, what: str, ident_: str) -> None:
    """Until nothing holds it."""
    service = state.service("disks").disk_service(ident_)
    anew = "the engine found no whole image in it: run the same command again, it is sent anew"
    settle(state, f"{what}: its disk can be used", service, DISK_SECONDS, anew)


def abandon(state: State, what: str, going: transfer.Transfer, disk: str) -> None:
    """After a failure nothing of it stays. A failure of this must not hide the one it follows: the next run clears up as well."""
    try:
        going.cancel()
        remove_disk(state, what, disk)
    except LabError:
        return


def remove_disk(state: State, what: str, ident_: str) -> None:
    """A disk whose content cannot be trusted; the engine may still be ending the transfer of a run that was killed."""
    service = state.service("disks").disk_service(ident_)
    free = f"{what}: its unfinished disk is let go"
    try:
        state.engine.wait(free, lambda: word(service.get().status), lambda status: status != "locked", DISK_SECONDS)
    except Gone:
        return
    removed(state, f"{what}: its unfinished disk", state.service("disks").disk_service(ident_))


def carrier(state: State, thing: Template, image: Image, disk: str) -> str:
    """The VM without any use of its own that the engine needs to make a template from a disk."""
    name, what = short(image.sha256), f"{thing.ref}: carrier of its disk"
    vms = state.engine.ask(what, lambda: state.service("vms").list(search=f'name="{name}"'))
    if vms:
        ident_ = str(vms[0].id)
    else:
        request = types().Vm(
            name=name,
            description=f"{COMPARED}{image.sha256}",
            cluster=types().Cluster(id=state.id("clusters", thing.cluster, what)),
            template=types().Template(id=BLANK),
            memory=thing.memory_mib * MIB,
            cpu=types().Cpu(topology=types().CpuTopology(sockets=thing.vcpus, cores=1, threads=1)),
            os=types().OperatingSystem(type="other_linux"),
            type=types().VmType.SERVER,
        )
        ident_ = str(state.engine.tell(f"{what}: make", lambda: state.service("vms").add(request)).id)
    service = state.service("vms").vm_service(ident_)
    state.engine.wait(f"{what} is there", lambda: word(service.get().status), lambda status: status == "down", DISK_SECONDS)
    attachments = service.disk_attachments_service()
    there = [ident(item.disk) or item.id for item in state.engine.ask(what, lambda: attachments.list())]
    if disk not in there:
        attachment = types().DiskAttachment(disk=types().Disk(id=disk), bootable=True, active=True, interface=types().DiskInterface.VIRTIO)
        state.engine.tell(f"{what}: attach the disk", lambda: attachments.add(attachment))
    return ident_


def half_made(state: State, thing: Template, image: Image) -> str | None:
    """The id of the template that a killed run was making; one that broke is removed, to be made again."""
    templates = state.engine.ask(f"{thing.ref}", lambda: state.service("templates").list(search=f'name="{thing.name}"'))
    for item in templates:
        if marked(item.description, MAKING) == image.sha256:
            if word(item.status) != "illegal":
                return str(item.id)
            removed(state, f"{thing.ref}: what is left of it", state.service("templates").template_service(item.id))
    return None


def from_vm(state: State, thing: Template, image: Image, vm: str) -> str:
    """Starts making the template, whose id is returned."""
    request = types().Template(name=thing.name, description=f"{MAKING}{image.sha256}", vm=types().Vm(id=vm))
    request.cluster = types().Cluster(id=state.id("clusters", thing.cluster, str(thing.ref)))
    return str(state.engine.tell(f"{thing.ref}: make it from its disk", lambda: state.service("templates").add(request)).id)


def settle_template(state: State, thing: Template, ident_: str) -> None:
    """Until VMs can be made from it."""
    service = state.service("templates").template_service(ident_)
    settle(state, f"{thing.ref} can be used", service, TEMPLATE_SECONDS, "run the same command again, it is made anew")


def settle(state: State, what: str, service: Any, limit_seconds: float, anew: str) -> None:
    """Until the engine lets it be used; `anew` is the fix where it came out broken, which the engine calls illegal."""
    state.engine.wait(
        what,
        lambda: word(service.get().status),
        lambda status: status == "ok",
        limit_seconds,
        lambda status: status == "illegal",
        lambda status: anew if status == "illegal" else "",
    )


def clean_up(state: State, sha256: str) -> None:
    """Removes the carrier with its disk: the template has a copy."""
    name = short(sha256)
    for vm in state.engine.ask(f"vm {name}", lambda: state.service("vms").list(search=f'name="{name}"')):
        removed(state, f"vm {name}", state.service("vms").vm_service(vm.id))
    if disk := find_disk(state, sha256):
        removed(state, f"disk {name}", state.service("disks").disk_service(disk.id))

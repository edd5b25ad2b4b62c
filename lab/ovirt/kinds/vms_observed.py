"""VMs in the words of the model."""

from __future__ import annotations

from ipaddress import IPv4Interface
from typing import Any

from lab.ovirt.kinds.networks import network_key
from lab.ovirt.plan import Seen
from lab.ovirt.sdk import ident, text, word
from lab.ovirt.state import State
from lab.ovirt.thing import GIB, MIB

RUNNING = ("up", "powering_up", "wait_for_launch", "reboot_in_progress", "migrating", "restoring_state")
STATES = {"down": "stopped", **dict.fromkeys(RUNNING, "running")}


def observed(state: State, item: Any) -> Seen:
    """One VM. A status that is neither running nor stopped is a state of its own, so that a plan shows it."""
    hardware = next_hardware(state, item)
    topology = hardware.cpu.topology if hardware.cpu else None
    values = {
        "cluster": state.name("clusters", item.cluster) or None,
        "template": state.name("templates", item.original_template or item.template) or None,
        "memory_mib": (hardware.memory or 0) // MIB,
        "vcpus": (topology.sockets or 1) * (topology.cores or 1) * (topology.threads or 1) if topology else 1,
        "state": STATES.get(word(item.status), word(item.status)),
        "description": text(item.description),
        "nics": {nic.name: {"plugged": plugged(state, nic), "mac": nic.mac.address if nic.mac else None} for nic in item.nics or ()},
        "disks": disks(state, item),
        "disk_gib": boot_disk_gib(item),
    }
    notes = {
        "status": word(item.status),
        "hypervisor": state.name("hosts", item.host) if item.host else "",
        "nics": {nic.name: nic.id for nic in item.nics or ()},
        "disks": {name_of(one): one.id for one in item.disk_attachments or ()},
        "reported": reported(item),
    }
    return Seen(item.id, values | first_boot(item.initialization), notes)


def next_hardware(state: State, item: Any) -> Any:
    """The VM as it will be after its next start, where that differs: a change that waits for it is not made twice."""
    if not item.next_run_configuration_exists:
        return item
    service = state.service("vms").vm_service(item.id)
    return state.engine.ask(f"vm {item.name} after its next start", lambda: service.get(next_run=True))


def plugged(state: State, nic: Any) -> str:
    """`network/profile` of an interface; empty where it is plugged into nothing."""
    wanted = ident(nic.vnic_profile)
    for profile in state.objects("vnic_profiles") if wanted else ():
        if profile.id == wanted:
            return f"{network_key(state, profile.network).rpartition('/')[2]}/{profile.name}"
    return ""


def name_of(attachment: Any) -> str:
    """The name of an attached disk."""
    disk = attachment.disk
    return str((disk.name or disk.alias) if disk else "") or str(attachment.id)


def disks(state: State, item: Any) -> dict[str, Any]:
    """Disks beside the one that is booted from."""
    found = {}
    for one in item.disk_attachments or ():
        if not one.bootable and one.disk:
            domains = one.disk.storage_domains or ([one.disk.storage_domain] if one.disk.storage_domain else [])
            domain = state.name("storage_domains", domains[0]) if domains else ""
            found[name_of(one)] = {"size_gib": (one.disk.provisioned_size or 0) // GIB, "storage_domain": domain}
    return found


def boot_disk(item: Any) -> Any:
    """The attachment of the disk it boots from."""
    return next((one for one in item.disk_attachments or () if one.bootable and one.disk), None)


def boot_disk_gib(item: Any) -> int | None:
    """Its size; a part of a GiB counts as one."""
    found = boot_disk(item)
    return -(-(found.disk.provisioned_size or 0) // GIB) if found else None


def reported(item: Any) -> list[str]:
    """Addresses that the guest itself reports; loopback and link-local ones say nothing."""
    found = [ip.address for device in item.reported_devices or () for ip in device.ips or () if ip.address]
    return [address for address in found if ":" not in address and not address.startswith(("127.", "169.254."))]


def first_boot(initialization: Any) -> dict[str, Any]:
    """What the guest was told; None where the engine does not tell."""
    if initialization is None:
        return {"hostname": None, "addresses": None}
    addresses = {}
    for nic in initialization.nic_configurations or ():
        if nic.ip and nic.ip.address and word(nic.boot_protocol) == "static":
            addresses[nic.name] = str(IPv4Interface(f"{nic.ip.address}/{nic.ip.netmask or 32}"))
    return {"hostname": initialization.host_name or None, "addresses": addresses}

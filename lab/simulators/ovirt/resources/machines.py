"""What virtual machines and templates have in common: the elements both keep, and the engine's values for those not given."""

from __future__ import annotations

from typing import Any

from lab.simulators.ovirt import events
from lab.simulators.ovirt.collection import merged
from lab.simulators.ovirt.engine import Call
from lab.simulators.ovirt.errors import conflict, refused
from lab.simulators.ovirt.store import Body

GIB = 1024**3
MIB = 1024**2
LARGE_ICON = "a0ea1a39-5e6c-4b9c-8b54-0f5f4a1c8b11"
SMALL_ICON = "f6f8e2d1-3c64-4a36-9b0d-7d1d3f8d2a22"
DISPLAY: Body = {
    "allow_override": False,
    "copy_paste_enabled": True,
    "disconnect_action": "LOCK_SCREEN",
    "file_transfer_enabled": True,
    "monitors": 1,
    "single_qxl_pci": False,
    "smartcard_enabled": False,
    "type": "vnc",
}
DEFAULTS: Body = {
    "bios": {"boot_menu": {"enabled": False}, "type": "cluster_default"},
    "cpu": {"architecture": "x86_64", "topology": {"cores": 1, "sockets": 1, "threads": 1}},
    "cpu_shares": 0,
    "delete_protected": False,
    "description": "",
    "display": DISPLAY,
    "high_availability": {"enabled": False, "priority": 0},
    "io": {"threads": 0},
    "large_icon": {"id": LARGE_ICON},
    "memory": GIB,
    "memory_policy": {"ballooning": True},
    "migration": {"auto_converge": "inherit", "compressed": "inherit"},
    "migration_downtime": -1,
    "multi_queues_enabled": True,
    "origin": "ovirt",
    "os": {"boot": {"devices": ["hd"]}, "type": "other"},
    "placement_policy": {"affinity": "migratable"},
    "small_icon": {"id": SMALL_ICON},
    "sso": {"methods": []},
    "start_paused": False,
    "stateless": False,
    "storage_error_resume_behaviour": "auto_resume",
    "time_zone": {"name": "Etc/GMT"},
    "type": "server",
    "usb": {"enabled": False},
}
STORED = frozenset(DEFAULTS) | {"name", "comment", "initialization", "console", "virtio_scsi", "custom_properties", "serial_number"}
STORED |= {"custom_compatibility_version", "rng_device", "soundcard_enabled", "tpm_enabled", "virtio_scsi_multi_queues_enabled"}
MAC_TRIES = 65536


def describe(call: Call, old: Body, body: Body) -> Body:
    """A machine from what it is based on and what was asked for."""
    raw = merged(merged(DEFAULTS, {name: value for name, value in old.items() if name in STORED}), body)
    policy = dict(raw["memory_policy"])
    memory = int(raw["memory"])
    if "memory" in body or "guaranteed" not in policy:
        policy["guaranteed"] = body.get("memory_policy", {}).get("guaranteed", memory)
        policy["max"] = body.get("memory_policy", {}).get("max", memory * 4)
    if int(policy["guaranteed"]) > memory:
        said = "Physical Memory Guaranteed cannot exceed Memory Size."
        raise refused(f"Cannot add VM. {said}")
    raw |= {"memory_policy": policy, "creation_time": events.now()}
    cluster = call.need("cluster", raw["cluster"]["id"]) if raw.get("cluster") else None
    if cluster:
        raw["cpu_profile"] = {"id": profile_of(call, cluster)}
    return raw


def profile_of(call: Call, cluster: Body) -> str:
    """The CPU profile of a cluster."""
    return next(str(each["id"]) for each in call.store.all("cpu_profile") if each["cluster"]["id"] == cluster["id"])


def free_mac(call: Call, cluster: Body) -> str:
    """The first address of the cluster's pool that no card has."""
    used = {nic["mac"]["address"].lower() for nic in call.store.all("nic", None) if nic.get("mac")}
    for each in call.need("mac_pool", cluster["mac_pool"]["id"])["ranges"]:
        first, last = (int(each[end].replace(":", ""), 16) for end in ("from", "to"))
        for number in range(first, min(last, first + MAC_TRIES) + 1):
            text = f"{number:012x}"
            mac = ":".join(text[place : place + 2] for place in range(0, 12, 2))
            if mac not in used:
                return mac
    raise conflict("Cannot add Interface. Not enough MAC addresses left in MAC Address Pool.")


def wanted_disk(attachments: list[Body], disk: str) -> Body:
    """What a body says of a disk that is to be copied: name, format and domain."""
    for attachment in attachments:
        found: Any = attachment.get("disk", {})
        if found.get("id") == disk or found.get("image_id") == disk:
            return dict(found)
    return {}

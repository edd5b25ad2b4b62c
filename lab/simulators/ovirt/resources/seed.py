"""What a fresh engine holds."""

from __future__ import annotations

import uuid

from lab.simulators.ovirt.engine import NAME, Call
from lab.simulators.ovirt.events import Code
from lab.simulators.ovirt.resources import machines
from lab.simulators.ovirt.resources.clusters import SCHEDULING_NONE, Clusters
from lab.simulators.ovirt.resources.data_centers import DEFAULT_MAC_POOL, DataCenters
from lab.simulators.ovirt.resources.networks import NO_MAC_SPOOFING
from lab.simulators.ovirt.root import BLANK_TEMPLATE, ROOT_TAG

SEEDED = "seeded"
POLICIES = {
    "none": SCHEDULING_NONE,
    "evenly_distributed": "20d25257-b4bd-4589-92a6-c4c5c5d3fd1a",
    "power_saving": "5a2b0939-7d46-4b73-a469-e9c2c7fc6a53",
    "cluster_maintenance": "7677771e-5eab-422e-83fa-dc04080d21b7",
    "vm_evenly_distributed": "8d5d7bec-68de-4a67-b53e-0ac54686d586",
}
FILTERS = {"vdsm-no-mac-spoofing": NO_MAC_SPOOFING, "clean-traffic": "d2370c58-fee3-11e9-a310-8c1645ce738e"}
SYSTEMS = ("other", "other_linux", "rhel_8x64", "rhel_9x64", "debian_9", "ubuntu_18_04", "windows_2022")


def plant(call: Call) -> None:
    """Once, in one transaction; the first event says what this is."""
    store = call.store
    with store.transaction():
        if store.value(SEEDED):
            call.event(Code.STARTED, f"Starting oVirt Engine. This is the {NAME}; backend: {call.engine.backend.name}.")
            return
        call.event(Code.STARTED, f"This is the {NAME}, and no oVirt engine; backend: {call.engine.backend.name}.")
        store.set_value("instance_id", str(uuid.uuid4()))
        pool = {"id": DEFAULT_MAC_POOL, "name": "Default", "description": "Default MAC pool", "default_pool": True}
        ranges = [{"from": "56:6f:00:00:00:00", "to": "56:6f:00:00:ff:ff"}]
        store.insert("mac_pool", pool | {"allow_duplicates": False, "ranges": ranges})
        for name, id in POLICIES.items():
            store.insert("scheduling_policy", {"id": id, "name": name, "locked": True, "default_policy": name == "none"})
        for name, id in FILTERS.items():
            store.insert("network_filter", {"id": id, "name": name, "version": {"major": 3, "minor": 2, "build": -1, "revision": -1}})
        for name in SYSTEMS:
            store.insert("operating_system", {"name": name, "description": name.replace("_", " ").title(), "architecture": "x86_64"})
        store.insert("tag", {"id": ROOT_TAG, "name": "root", "description": "root"})
        user, _, profile = call.engine.sessions.user.partition("@")
        person = {"name": user, "user_name": f"{user}@{profile}-authz", "principal": user, "namespace": "*", "last_name": "", "email": ""}
        store.insert("user", person)
        data_center = DataCenters().add(call, {"name": "Default", "description": "The default Data Center"})
        description = "The default server cluster"
        Clusters().add(call, {"name": "Default", "description": description, "data_center": {"id": data_center["id"]}})
        blank = machines.DEFAULTS | {"id": BLANK_TEMPLATE, "name": "Blank", "description": "Blank template", "status": "ok"}
        policy = {"ballooning": True, "guaranteed": machines.GIB, "max": 4 * machines.GIB}
        store.insert("template", blank | {"memory_policy": policy, "creation_time": "2008-04-01T00:00:00.000Z", "_is_template": True})
        store.set_value(SEEDED, "yes")

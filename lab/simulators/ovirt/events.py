"""The engine's events: a number that only grows, the engine's own code, and what it is about. The first says what this is."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from lab.simulators.ovirt.store import Body, Store

KIND = "event"
# Which elements of an event name an object.
SUBJECTS = ("cluster", "data_center", "host", "storage_domain", "template", "user", "vm")


class Code(IntEnum):
    """Numbers of the engine's AuditLogType."""

    STARTED = 1
    HOST_NON_RESPONSIVE = 12
    HOST_STATUS = 13
    HOST_IN_MAINTENANCE = 15
    HOST_ACTIVATION = 16
    MAINTENANCE_FAILED = 17
    LOGIN = 30
    VM_RUNS = 32
    VM_STOPPED = 33
    VM_ADDED = 34
    VM_UPDATED = 35
    VM_ADD_STARTED = 37
    HOST_ADDED = 42
    HOST_UPDATED = 43
    HOST_REMOVED = 44
    SNAPSHOT_STARTED = 45
    TEMPLATE_STARTED = 48
    TEMPLATE_FINISHED = 51
    TEMPLATE_FAILED = 52
    VM_ADD_FINISHED = 53
    VM_RUN_FAILED = 54
    VM_ADD_FAILED = 60
    VM_DOWN = 61
    MIGRATION_STARTED = 62
    MIGRATION_DONE = 63
    MIGRATION_FAILED = 65
    SNAPSHOT_FINISHED = 68
    SNAPSHOT_FAILED = 69
    VM_SHUTDOWN = 73
    SNAPSHOT_RESTORED = 100
    VM_REMOVED = 113
    LOGIN_FAILED = 114
    VM_DOWN_ERROR = 119
    VM_NOT_RESPONDING = 126
    VM_STARTED = 153
    VM_REBOOT = 157
    MIGRATION_NO_HOST = 166
    TEMPLATE_REMOVED = 251
    SNAPSHOT_REMOVAL_STARTED = 342
    SNAPSHOT_REMOVED = 356
    HOST_INSTALLED = 504
    HOST_INSTALL_FAILED = 505
    HOST_INSTALLS = 509
    HOST_MAINTENANCE_ASKED = 620
    CLUSTER_ADDED = 809
    CLUSTER_UPDATED = 811
    CLUSTER_REMOVED = 813
    HOST_UPGRADE_STARTED = 840
    HOST_UPGRADED = 842
    HOST_UPDATES_CHECKED = 885
    NIC_REMOVED = 930
    NIC_ADDED = 932
    NIC_UPDATED = 934
    NETWORK_ADDED = 942
    NETWORK_REMOVED = 944
    NETWORK_ATTACHED = 946
    NETWORK_DETACHED = 948
    DATA_CENTER_ADDED = 950
    DATA_CENTER_UPDATED = 952
    DATA_CENTER_REMOVED = 954
    DOMAIN_ADDED = 956
    DOMAIN_ADD_FAILED = 957
    DOMAIN_UPDATED = 958
    DOMAIN_REMOVED = 960
    DOMAIN_ATTACHED = 962
    DOMAIN_ATTACH_FAILED = 963
    DOMAIN_DETACHED = 964
    DOMAIN_ACTIVATED = 966
    DOMAIN_DEACTIVATED = 968
    TRANSFER_STARTED = 1031
    TRANSFER_SUCCEEDED = 1032
    TRANSFER_CANCELLED = 1033
    TRANSFER_FAILED = 1034
    TRANSFER_LOST = 1065
    TRANSFER_PAUSED = 1077
    HOST_NETWORK_UPDATED = 1102
    NETWORK_UPDATED = 1114
    PROFILE_ADDED = 1122
    PROFILE_UPDATED = 1124
    PROFILE_REMOVED = 1126
    NETWORKS_APPLIED = 1146
    VM_EXPORTED = 1150
    VM_EXPORT_STARTED = 1162
    VM_EXPORTED_OVA = 1224
    DISK_REMOVED = 2014
    DISK_ATTACHED = 2016
    DISK_DETACHED = 2018
    DISK_STARTED = 2020
    DISK_FINISHED = 2021
    DISK_FAILED = 2022
    AFFINITY_ADDED = 10350
    AFFINITY_UPDATED = 10352
    AFFINITY_REMOVED = 10354


_ERRORS = frozenset(
    {
        Code.HOST_NON_RESPONSIVE,
        Code.MAINTENANCE_FAILED,
        Code.LOGIN_FAILED,
        Code.TEMPLATE_FAILED,
        Code.VM_RUN_FAILED,
        Code.VM_ADD_FAILED,
        Code.MIGRATION_FAILED,
        Code.SNAPSHOT_FAILED,
        Code.VM_DOWN_ERROR,
        Code.HOST_INSTALL_FAILED,
        Code.DOMAIN_ADD_FAILED,
        Code.DOMAIN_ATTACH_FAILED,
        Code.TRANSFER_FAILED,
        Code.TRANSFER_LOST,
        Code.DISK_FAILED,
    }
)
_WARNINGS = frozenset({Code.VM_NOT_RESPONDING, Code.MIGRATION_NO_HOST, Code.TRANSFER_PAUSED})


def now() -> str:
    """The time as the engine writes it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def severity(code: Code) -> str:
    """How bad the engine takes it to be."""
    if code in _ERRORS:
        return "error"
    return "warning" if code in _WARNINGS else "normal"


def record(store: Store, code: Code, description: str, correlation_id: str = "", subjects: Mapping[str, str] | None = None) -> Body:
    """Keeps an event; `subjects` are ids by element."""
    index = int(store.value("last_event", "0")) + 1
    store.set_value("last_event", str(index))
    event: dict[str, Any] = {
        "id": str(index),
        "description": description,
        "code": int(code),
        "correlation_id": correlation_id,
        "custom_id": -1,
        "flood_rate": 0,
        "index": index,
        "origin": "oVirt",
        "severity": severity(code),
        "time": now(),
    }
    event |= {name: {"id": id} for name, id in (subjects or {}).items() if name in SUBJECTS and id}
    return store.insert(KIND, event)

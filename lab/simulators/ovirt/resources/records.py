"""What the engine writes down of itself: events and jobs; and the few things it has from the start and nobody changes."""

from __future__ import annotations

from typing import ClassVar

from lab.simulators.ovirt.collection import Collection, Key, name_of, own
from lab.simulators.ovirt.engine import Call
from lab.simulators.ovirt.errors import Fault
from lab.simulators.ovirt.store import Body

READ_ONLY = frozenset({"list", "get"})


class Events(Collection):
    """Events, the newest first."""

    kind = "event"
    type_name = "Event"
    rel = "events"
    methods = READ_ONLY

    def all(self, call: Call) -> list[Body]:
        """Those after the number given as `from`."""
        after = call.query.get("from", "0")
        if not after.isdecimal():
            raise Fault(400, "Invalid value", f"{after} is not a number for from")
        return [event for event in reversed(call.store.all(self.kind)) if event["index"] > int(after)]


def _by(element: str, kind: str) -> dict[str, Key]:
    return {f"{prefix}{element}.name": name_of(element, kind) for prefix in ("", "event_")}


Events.keys = {
    "type": own("code"),
    "message": own("description"),
    "severity": own("severity"),
    "correlation_id": own("correlation_id"),
    "time": own("time"),
    "event_host": name_of("host", "host"),
    "event_vm": name_of("vm", "vm"),
    "event_template": name_of("template", "template"),
    "event_storage": name_of("storage_domain", "storage_domain"),
    "event_datacenter": name_of("data_center", "data_center"),
    **_by("host", "host"),
    **_by("vm", "vm"),
    **_by("template", "template"),
    **_by("cluster", "cluster"),
}


class Steps(Collection):
    """Parts of a job."""

    kind = "step"
    type_name = "Step"
    rel = "steps"
    methods = READ_ONLY

    def view(self, call: Call, raw: Body) -> Body:
        """With its job."""
        return raw | {"job": {"id": call.parent["id"]}, "external": False}


class Jobs(Collection):
    """What the engine did and does in the background."""

    kind = "job"
    type_name = "Job"
    rel = "jobs"
    methods = READ_ONLY
    children: ClassVar = {"steps": Steps()}


class OperatingSystems(Collection):
    """Kinds of guests."""

    kind = "operating_system"
    type_name = "OperatingSystemInfo"
    rel = "operatingsystems"
    methods = READ_ONLY


class Users(Collection):
    """The one user there is."""

    kind = "user"
    type_name = "User"
    rel = "users"
    methods = READ_ONLY
    keys: ClassVar = {"name": own("name"), "usrname": own("user_name")}
    more_links = ("permissions", "roles", "tags")


class Tags(Collection):
    """The root of all tags; others are not simulated."""

    kind = "tag"
    type_name = "Tag"
    rel = "tags"
    methods = READ_ONLY

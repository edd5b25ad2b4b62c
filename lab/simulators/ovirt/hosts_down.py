"""Hypervisors that stop answering, on the admin endpoint's request."""

from __future__ import annotations

from lab.errors import InputError, suggest
from lab.simulators.ovirt.engine import Call
from lab.simulators.ovirt.events import Code

STATUSES = ("non_operational", "non_responsive", "up")


def set_status(call: Call, name: str, status: str) -> dict[str, str]:
    """Sets what the engine would see; machines on a host that does not answer are unknown until it does."""
    hosts = {host["name"]: host for host in call.store.all("host")}
    if name not in hosts:
        raise InputError(f"there is no host {name!r}; {suggest(name, hosts)}")
    if status not in STATUSES:
        raise InputError(f"a host cannot be made {status!r}; {suggest(status, STATUSES)}")
    host = hosts[name]
    host["status"] = status
    host["_broken"] = "" if status == "up" else status  # activating it does not mend it
    call.store.save("host", host)
    if status == "non_responsive":
        call.event(Code.HOST_NON_RESPONSIVE, f"Host {name} is non responsive.", host=host["id"])
    else:
        call.event(Code.HOST_STATUS, f"Status of host {name} was set to {status.title().replace('_', '')}.", host=host["id"])
    for vm in call.store.all("vm"):
        if vm.get("host", {}).get("id") == host["id"]:
            before, after = ("up", "unknown") if status == "non_responsive" else ("unknown", "up")
            if vm["status"] == before:
                call.store.save("vm", vm | {"status": after})
    return {"host": name, "status": status}

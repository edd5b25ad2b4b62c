"""Getting virtual machines off a hypervisor that goes into maintenance."""

from __future__ import annotations

from lab.simulators.ovirt.engine import Call
from lab.simulators.ovirt.errors import conflict
from lab.simulators.ovirt.store import Body


def running(call: Call, host: Body) -> list[Body]:
    """The machines on it."""
    return [vm for vm in call.store.all("vm") if vm.get("host", {}).get("id") == host["id"]]


def check(call: Call, host: Body) -> None:
    """Refuses where machines run on it and there is nowhere to go."""
    if not running(call, host):
        return
    others = [each for each in call.store.all("host") if each["cluster"] == host["cluster"] and each["id"] != host["id"]]
    if not any(each["status"] == "up" for each in others):
        cluster = call.need("cluster", host["cluster"]["id"])
        raise conflict(
            f"The following Hosts have running VMs and cannot be switched to maintenance mode: {host['name']}.\n"
            f"Please ensure that the following Clusters have at least one Host in UP state: {cluster['name']}."
        )


def go_on(call: Call, host: Body) -> bool:
    """Begins migrations that are not under way; whether nothing is left on the host."""
    return not running(call, host)

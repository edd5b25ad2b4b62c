"""Getting virtual machines off a hypervisor that goes into maintenance."""

from __future__ import annotations

from lab.simulators.ovirt.engine import Call
from lab.simulators.ovirt.errors import Fault, conflict
from lab.simulators.ovirt.events import Code
from lab.simulators.ovirt.store import Body


def running(call: Call, host: Body) -> list[Body]:
    """The machines on it."""
    return [vm for vm in call.store.all("vm") if vm.get("host", {}).get("id") == host["id"]]


def check(call: Call, host: Body) -> None:
    """Refuses where machines run on it and there is nowhere to go."""
    here = running(call, host)
    if not here:
        return
    if host["status"] == "non_responsive":
        said = "Cannot switch Host to Maintenance mode."
        raise conflict(f"{said}\nHost still has running VMs on it and is in Non Responsive state.")
    pinned = [vm["name"] for vm in here if vm["placement_policy"]["affinity"] == "pinned"]
    if pinned:
        raise conflict(
            f"Cannot switch the following Hosts to Maintenance mode: {host['name']}.\n"
            f"One or more running VMs are indicated as non-migratable. The non-migratable VMs are: {', '.join(pinned)}."
        )
    others = [each for each in call.store.all("host") if each["cluster"] == host["cluster"] and each["id"] != host["id"]]
    if not any(each["status"] == "up" for each in others):
        cluster = call.need("cluster", host["cluster"]["id"])
        raise conflict(
            f"The following Hosts have running VMs and cannot be switched to maintenance mode: {host['name']}.\n"
            f"Please ensure that the following Clusters have at least one Host in UP state: {cluster['name']}."
        )


def go_on(call: Call, host: Body) -> bool:
    """Begins migrations that are not under way; whether nothing is left on the host."""
    from lab.simulators.ovirt.resources import power  # it needs hosts, and hosts need this

    here = running(call, host)
    for vm in here:
        if vm["status"] != "up":
            continue
        try:
            power.migrate(call, vm)
        except Fault as fault:  # the host stays as it is until somebody stops the machine or makes room
            if vm.get("_stuck") != host["id"]:
                call.store.save("vm", vm | {"_stuck": host["id"]})
                said = f"No available host was found to migrate VM {vm['name']} to. {fault.detail}"
                call.event(Code.MIGRATION_NO_HOST, said, vm=vm["id"], host=host["id"])
                call.event(Code.MAINTENANCE_FAILED, f"Failed to switch Host {host['name']} to Maintenance mode.", host=host["id"])
    return not here

"""Which hypervisor a virtual machine runs on: up, in its cluster, with room, and as its affinity groups and its own placement want it."""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.simulators.ovirt.engine import Call
from lab.simulators.ovirt.errors import conflict
from lab.simulators.ovirt.store import Body

RUNNING = (
    "powering_up",
    "up",
    "migrating",
    "wait_for_launch",
    "reboot_in_progress",
    "paused",
    "unknown",
    "not_responding",
    "powering_down",
)


@dataclass
class Candidate:
    """A host with the reasons against it, and how little it is liked."""

    host: Body
    reasons: list[str] = field(default_factory=list)
    dislike: int = 0


def choose(call: Call, vm: Body, action: str, named: Body | None = None, exclude: str = "") -> Body:
    """A host for the machine; `named` is the one asked for.

    Raises Fault 409 with every host's reason, as the engine's scheduler words it.
    """
    hosts = [host for host in call.store.all("host") if host["cluster"] == vm["cluster"] and host["id"] != exclude]
    candidates = [Candidate(host) for host in hosts if host["status"] == "up"]
    if named:
        candidates = [
            each for each in candidates if named.get("id") in (None, each.host["id"]) and named.get("name") in (None, each.host["name"])
        ]
    if not candidates:
        said = f"Cannot {action} VM. There is no host that satisfies current scheduling constraints. See below for details:"
        raise conflict(said, "There are no hosts to use. Check that the cluster contains at least one host in Up state.")
    running = [each for each in call.store.all("vm") if each["status"] in RUNNING and each["id"] != vm["id"] and each.get("host")]
    for candidate in candidates:
        _weigh(call, vm, candidate, running)
    fit = [each for each in candidates if not each.reasons]
    if not fit:
        said = f"Cannot {action} VM. There is no host that satisfies current scheduling constraints. See below for details:"
        raise conflict(said, *[reason for each in candidates for reason in each.reasons])
    on = {each.host["id"]: sum(1 for other in running if other["host"]["id"] == each.host["id"]) for each in fit}
    return min(fit, key=lambda each: (each.dislike, on[each.host["id"]], each.host["name"])).host


def _weigh(call: Call, vm: Body, candidate: Candidate, running: list[Body]) -> None:
    host = candidate.host
    here = [other for other in running if other["host"]["id"] == host["id"]]
    free = int(host.get("_facts", {}).get("memory", 0)) - sum(int(other["memory"]) for other in here)
    if int(vm["memory"]) > free:
        candidate.reasons.append(_reason(host, "Memory", f"has availability of {free // 1024**2} MB memory, insufficient for the VM"))
    pinned = vm.get("placement_policy", {}).get("hosts", [])
    if pinned and host["id"] not in [each.get("id") for each in pinned]:
        candidate.reasons.append(_reason(host, "PinToHost", "the VM is pinned to other hosts"))
    for group in call.store.all("affinity_group", vm["cluster"]["id"]):
        if vm["id"] in group["_vms"]:
            _weigh_group(group, candidate, {other["id"]: other["host"]["id"] for other in running})


def _weigh_group(group: Body, candidate: Candidate, places: dict[str, str]) -> None:
    host, rule = candidate.host, group["vms_rule"]
    others = {places[id] for id in group["_vms"] if id in places}
    if rule["enabled"] and others:
        is_wrong = host["id"] not in others if rule["positive"] else host["id"] in others
        sign = "did not match positive" if rule["positive"] else "matched negative"
        _judge(group, rule, candidate, is_wrong, f"it {sign} affinity rules {group['name']}", "VmAffinityGroups")
    rule = group["hosts_rule"]
    if rule["enabled"] and group["_hosts"]:
        is_wrong = (host["id"] in group["_hosts"]) is not rule["positive"]
        sign = "did not match positive" if rule["positive"] else "matched negative"
        _judge(group, rule, candidate, is_wrong, f"it {sign} affinity rules {group['name']}", "VmToHostsAffinityGroups")


def _judge(group: Body, rule: Body, candidate: Candidate, is_wrong: bool, why: str, name: str) -> None:
    if is_wrong and rule["enforcing"]:
        candidate.reasons.append(_reason(candidate.host, name, why))
    elif is_wrong:
        candidate.dislike += 1


def _reason(host: Body, name: str, why: str) -> str:
    return f"The host {host['name']} did not satisfy internal filter {name} because {why}."


def is_broken(call: Call, group: Body) -> bool:
    """Whether the machines that run now are where the group does not want them."""
    places = [each["host"]["id"] for each in call.store.all("vm") if each["id"] in group["_vms"] and each.get("host")]
    rule = group["vms_rule"]
    if rule["enabled"] and (len(set(places)) > 1 if rule["positive"] else len(set(places)) < len(places)):
        return True
    rule = group["hosts_rule"]
    return bool(rule["enabled"] and group["_hosts"]) and any((place in group["_hosts"]) is not rule["positive"] for place in places)

"""Why a server is not as it should be: its fault, what Nova did last, and what each compute node would say to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from lab.openstack.cloud import Cloud
from lab.openstack.errors import CloudError
from lab.openstack.flavors import Node, Size, refusals
from lab.openstack.sdk import text
from lab.openstack.state import State

Result = TypeVar("Result")
DETAILS_SHOWN = 300  # characters of a traceback's end


def story(state: State, ident: str, flavor: str) -> str:
    """Everything that helps, in the order in which one would look. What may not be seen is said, and hides nothing else."""
    cloud = state.cloud
    server = cloud.ask("the server", lambda: cloud.connection.compute.get_server(ident))
    parts = [f"fault: {fault(server.fault or {})}" if server.fault else "the server has no fault"]
    parts.append(last_action(cloud, ident))
    if "valid host" in parts[0].lower() or "valid host" in parts[1].lower():
        sizes = {str(item.name): Size(item.vcpus, item.ram, item.disk) for item in state.objects("flavors")}
        seen: list[Node] = allowed(lambda: nodes(cloud), [])
        why = refusals(sizes[flavor], seen) if flavor in sizes else []
        parts.append("compute nodes: " + ("; ".join(why) or placement_silent(seen)))
    return " | ".join(part for part in parts if part) + f"; fix: {fix_of(' '.join(parts))}"


def placement_silent(seen: Iterable[Node]) -> str:
    """Where every node has room, something else than room is missing."""
    names = ", ".join(node.name for node in seen)
    return f"{names} have room, so a filter said no" if names else "none is known, or this user may not see them"


def fault(found: dict[str, Any]) -> str:
    """Nova's fault: its message, and the end of its details, which only administrators get."""
    details = " ".join(text(found.get("details")).split())
    return text(found.get("message")) + (f" (... {details[-DETAILS_SHOWN:]})" if details else "")


def last_action(cloud: Cloud, ident: str) -> str:
    """What Nova did last with a server, and which of its steps failed with what."""
    compute = cloud.connection.compute

    def look() -> str:
        actions = sorted(compute.server_actions(ident), key=lambda one: text(one.start_time))
        if not actions:
            return ""
        last = compute.get_server_action(actions[-1].request_id, ident)
        failed = [event for event in last.events or () if text(value(event, "result")).lower() == "error"]
        said = [f"{value(event, 'event')} on {value(event, 'host') or 'a node'}: {tail(event)}" for event in failed]
        return f"{last.action}: " + ("; ".join(said) or text(last.message) or "no step failed")

    return allowed(lambda: cloud.ask("what Nova did last", look), "")


def failed_last(cloud: Cloud, ident: str) -> bool:
    """Whether the last thing Nova did with a server ended in an error."""
    compute = cloud.connection.compute
    actions = sorted(compute.server_actions(ident), key=lambda one: text(one.start_time))
    return bool(actions) and text(actions[-1].message).lower() == "error"


def tail(event: Any) -> str:
    """The end of an event's traceback, or its details."""
    found = text(value(event, "traceback")) or text(value(event, "details"))
    lines = [line.strip() for line in found.splitlines() if line.strip()]
    return lines[-1][-DETAILS_SHOWN:] if lines else "no details"


def value(event: Any, key: str) -> Any:
    """The SDK gives events as objects or as plain dictionaries."""
    return event.get(key) if isinstance(event, dict) else getattr(event, key, None)


def nodes(cloud: Cloud) -> list[Node]:
    """Compute nodes with what is free on them, as placement counts it: reserved and allocation ratio included."""
    placement = cloud.connection.placement
    services = cloud.ask("compute services", lambda: list(cloud.connection.compute.services(binary="nova-compute")))
    states = {
        str(item.host): "up" if item.state == "up" and item.status == "enabled" else f"{item.state}, {item.status}" for item in services
    }
    found = []
    for provider in cloud.ask("resource providers", lambda: list(placement.resource_providers())):
        inventories = {
            item.resource_class: item
            for item in cloud.ask(f"inventory of {provider.name}", lambda: list(placement.resource_provider_inventories(provider)))  # noqa: B023
        }
        answer = cloud.ask(f"usage of {provider.name}", lambda: placement.get(f"/resource_providers/{provider.id}/usages").json())  # noqa: B023
        if "VCPU" not in inventories:
            continue  # a shared store, or a card
        total, free = room(inventories, answer.get("usages", {}))
        name = str(provider.name)
        state = states.get(name) or states.get(name.partition(".")[0]) or "not registered with Nova"
        found.append(Node(name, total, free, state))
    return found


def room(inventories: dict[str, Any], used: dict[str, int]) -> tuple[Size, Size]:
    """What a node has in all for servers, and what of that is free."""
    total, free = [], []
    for name in ("VCPU", "MEMORY_MB", "DISK_GB"):
        item = inventories.get(name)
        most = int((item.total - item.reserved) * item.allocation_ratio) if item else 0
        total.append(most)
        free.append(most - int(used.get(name, 0)))
    return Size(*total), Size(*free)


def allowed(look: Callable[[], Result], otherwise: Result) -> Result:
    """What only administrators may see is left out for others."""
    try:
        return look()
    except CloudError as error:
        if error.code not in (401, 403, 404):
            raise
        return otherwise


# What a story has in it -> what to do about it.
FIXES = (
    ("too small by", "a smaller flavor, or a larger compute node"),
    ("lacks", "remove servers that are not needed, take a smaller flavor, or add a compute node"),
    ("down", "start nova-compute there (its journal says why it stopped)"),
    ("disabled", "openstack compute service set --enable HOST nova-compute"),
    ("not registered", "nova-manage cell_v2 discover_hosts on a control machine"),
    ("virtualinterfacecreate", "is ovn-controller up on that node, and its chassis known (ovn-sbctl show)?"),
    ("portbindingfailed", "is ovn-controller up on that node, and does its bridge mapping have the network?"),
    ("maxretriesexceeded", "read nova-compute's journal on the nodes it names: the real cause is only there"),
    ("exceeded maximum number of retries", "read nova-compute's journal on the nodes it names: the real cause is only there"),
    ("no space left", "free space on the compute node's /var/lib/nova"),
    ("quota", "raise the project's quota"),
    ("image", "is the image active and whole (`openstack image show`)?"),
)


def fix_of(words: str) -> str:
    """What to do about it."""
    low = words.lower()
    return next((fix for mark, fix in FIXES if mark in low), "read nova-scheduler's and nova-compute's journals of that moment")

"""What a cloud cannot change on what exists, and what stands in the way of a thing; the planning itself is lab.things.plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Network
from typing import Any

from lab.openstack.kinds.images import is_of
from lab.openstack.model_compute import Image, Server, Volume
from lab.openstack.model_network import Subnet
from lab.openstack.state import several
from lab.things import plan as things_plan
from lab.things.plan import Rules
from lab.things.thing import Found, Ref, Seen, Step, Thing

# Everything else is updated in place, or made anew where that harms nobody (a key pair, an address).
FIXED: Mapping[str, tuple[str, ...]] = {
    "flavor": ("vcpus", "memory_mib", "disk_gib", "public"),
    "network": ("provider_type", "physical_network", "segment"),
    "subnet": ("cidr",),
    "volume": ("image", "snapshot", "type"),
    "snapshot": ("volume",),
    "server": ("image", "boot_volume", "networks", "keypair", "host"),
}
RULES = Rules("the cloud", FIXED)


def plan(things: Iterable[Thing], found: Found, *, alone: bool = False, where: str = "the cloud") -> list[Step]:
    """Every step in the order in which it can be done; `alone` is for one thing in check mode (see lab.things.plan).

    Raises LabError with everything that stands in the way.
    """
    wanted = {thing.ref: thing for thing in things}

    def problems_of(thing: Thing, seen: Seen | None) -> list[str]:
        return twins(thing, found) + PROBLEMS.get(thing.kind, nothing_wrong)(thing, seen, found, wanted)

    return things_plan.plan(wanted.values(), found, RULES, alone=alone, where=where, problems_of=problems_of)


def twins(thing: Thing, found: Found) -> list[str]:
    """Names that stand for several things: its own, and those it needs."""
    problems = []
    for ref in (thing.ref, *thing.needs()):
        seen = found.get(ref.kind, {}).get(ref.key)
        if seen is not None and "twins" in seen.notes:
            problems.append(f"{thing.ref}: {several(ref.kind.replace('_', ' '), ref.key, seen.notes['twins'])}")
    return problems


def nothing_wrong(thing: Thing, seen: Seen | None, found: Found, wanted: Mapping[Ref, Thing]) -> list[str]:
    """Most kinds have no problems of their own."""
    return []


def image_problems(thing: Thing, seen: Seen | None, found: Found, wanted: Mapping[Ref, Thing]) -> list[str]:
    """A file that is no image, and an image of another content that nobody asked to replace."""
    assert isinstance(thing, Image)  # noqa: S101 - tells mypy what the table below says
    problems = []
    if thing.file.is_file() and not is_of(thing.file, thing.format):
        problems.append(f"{thing.ref}: {thing.file} is no {thing.format} image; fix: get it again, or write the format it has")
    there = seen.values.get("sha512") if seen and seen.values.get("status") == "active" else None
    if there and thing.sha512 and there != thing.sha512 and not thing.replace:
        problems.append(
            f"{thing.ref}: was made from another file ({there[:12]}…, wanted is {thing.sha512[:12]}…); "
            "fix: another name for the new one, or replace: true"
        )
    return problems


def subnet_problems(thing: Thing, seen: Seen | None, found: Found, wanted: Mapping[Ref, Thing]) -> list[str]:
    """Two subnets of a network that overlap: Neutron refuses the second, and names neither."""
    assert isinstance(thing, Subnet)  # noqa: S101
    others = {key: IPv4Network(one.values["cidr"]) for key, one in found.get("subnet", {}).items() if ":" not in one.values["cidr"]}
    others |= {one.key: one.cidr for one in wanted.values() if isinstance(one, Subnet)}
    return [
        f"{thing.ref}: {thing.cidr} overlaps {cidr} of subnet {key}; fix: give it a range that no other subnet of the network has"
        for key, cidr in others.items()
        if key != thing.key and key.partition("/")[0] == thing.network and cidr.overlaps(thing.cidr)
    ]


def volume_problems(thing: Thing, seen: Seen | None, found: Found, wanted: Mapping[Ref, Thing]) -> list[str]:
    """Disks only grow, and one that failed may have data."""
    assert isinstance(thing, Volume)  # noqa: S101
    if seen is None:
        return []
    problems = []
    if seen.values["size_gib"] > thing.size_gib:
        problems.append(
            f"{thing.ref}: has {seen.values['size_gib']} GiB and {thing.size_gib} GiB are wanted, but disks only grow; "
            f"fix: write size_gib: {seen.values['size_gib']}"
        )
    if (status := str(seen.notes.get("status", ""))).startswith("error"):
        problems.append(
            f"{thing.ref}: is in state {status}, which Cinder does not leave by itself; fix: `openstack volume message list` says why; "
            "where it has no data, remove it and run the same command again"
        )
    return problems


def server_problems(thing: Thing, seen: Seen | None, found: Found, wanted: Mapping[Ref, Thing]) -> list[str]:
    """A server that is broken, a disk that another server has, and one that it boots from."""
    assert isinstance(thing, Server)  # noqa: S101
    problems = []
    if seen is not None and seen.values["state"] == "error":
        fault = seen.notes.get("fault") or "no fault is told"
        problems.append(f"{thing.ref}: is in ERROR: {fault}; fix: mend the cause and reset its state, or remove it and run again")
    for name in thing.volumes:
        disk = found.get("volume", {}).get(name)
        owners = set(disk.notes.get("servers", {})) - ({seen.id} if seen else set()) if disk else set()
        if names := sorted(key for key, one in found.get("server", {}).items() if one.id in owners):
            problems.append(f"{thing.ref}: volume {name} is attached to server {', '.join(names)}; fix: take it from there first")
    return problems + [f"{thing.ref}: {said}" for name in thing.volumes if (said := detach_problem(name, seen))]


def detach_problem(volume: str, server: Seen | None) -> str:
    """Why a volume is not to be taken from a server, or plugged in like others: it is the one that boots it. Empty where it may be."""
    if server is None or server.values.get("boot_volume") != volume:
        return ""
    return (
        f"volume {volume} is the disk it boots from, and is never taken from a server that lives; "
        "fix: remove the server, which leaves the volume"
    )


Problems = Callable[[Thing, Seen | None, Found, Mapping[Ref, Thing]], list[str]]
PROBLEMS: Mapping[str, Problems] = {
    "image": image_problems,
    "subnet": subnet_problems,
    "volume": volume_problems,
    "server": server_problems,
}


def facts(seen: Seen | None) -> dict[str, Any]:
    """What later steps may need to know of a thing."""
    hidden = ("rules", "legs", "scope", "user", "role", "twins")
    return {"id": seen.id} | {key: value for key, value in seen.notes.items() if key not in hidden} if seen else {}

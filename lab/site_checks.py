"""Checks of a whole, resolved site: what no single value can show. One small function per check; CHECKS lists them.

Every check is O(n log n) at most, and leaves out what another check reports already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Interface
from typing import TYPE_CHECKING

from lab.errors import suggest
from lab.site_machines import KINDS
from lab.site_yaml import Location

if TYPE_CHECKING:
    from lab.site import Site


# Debian boots with less, and then an apt update is killed.
VM_MEMORY_GIB, VM_DISK_GIB = 0.5, 2


@dataclass(frozen=True)
class Finding:
    """What a check found: where in the site, what is wrong, and the fix where it can be computed."""

    location: Location
    message: str
    fix: str = ""


Check = Callable[["Site"], Iterator[Finding]]


def run(site: Site) -> Iterator[Finding]:
    """Every finding of every check."""
    for check in every():
        yield from check(site)


def every() -> tuple[Check, ...]:
    """All checks: of this module, of addresses, and of the optional sections."""
    from lab import site_checks_addresses  # here, because these are made of what is defined above
    from lab.sections import backup, git, kubernetes_checks, nas_checks, openstack_checks, ovirt_checks

    platforms = ovirt_checks.CHECKS + kubernetes_checks.CHECKS + openstack_checks.CHECKS
    sections = nas_checks.CHECKS + platforms + git.CHECKS + backup.CHECKS
    return CHECKS + site_checks_addresses.CHECKS + sections


def subnets_named_exist(site: Site) -> Iterator[Finding]:
    """Subnets that are mentioned are defined."""
    subnets = site.network.subnets
    mentioned: list[tuple[Location, str]] = []
    for name, subnet in subnets.items():
        mentioned += [(("network", "subnets", name, "reach", index), other) for index, other in enumerate(subnet.reach)]
    for index, reservation in enumerate(site.network.reservations):
        mentioned.append((("network", "reservations", index, "subnet"), reservation.subnet))
    for index, record in enumerate(site.network.records):
        if record.subnet is not None:
            mentioned.append((("network", "records", index, "subnet"), record.subnet))
    for name, machine in site.machines.items():
        mentioned += [(("machines", name, "interfaces", other), other) for other in machine.interfaces]
    for location, other in mentioned:
        if other not in subnets:
            yield Finding(location, f"there is no subnet {other}", suggest(other, subnets))


def router_exists(site: Site) -> Iterator[Finding]:
    """The router is a machine, of group router, and the only one."""
    name = site.network.router
    router = site.machines.get(name)
    if router is None:
        routers = [other for other, machine in site.machines.items() if "router" in machine.groups]
        yield Finding(("network", "router"), f"there is no machine {name}", suggest(name, routers or site.machines))
        return
    if "router" not in router.groups:
        yield Finding(("machines", name, "groups"), f"{name} is network.router but not in group router", "add router to its groups")
    if router.interfaces:
        message = "the router has a leg in every subnet by itself, at the gateway address"
        yield Finding(("machines", name, "interfaces"), message, "remove interfaces")
    for other, machine in site.machines.items():
        if other != name and "router" in machine.groups:
            message = f"{other} is in group router, but network.router is {name}, and there can be only one"
            yield Finding(("machines", other, "groups"), message, "take it out of the group")


def machines_have_interfaces(site: Site) -> Iterator[Finding]:
    """Every machine but the router has an interface in a subnet."""
    example = next(iter(site.network.subnets))
    for name, machine in site.machines.items():
        if not machine.interfaces and name != site.network.router and "router" not in machine.groups:
            yield Finding(
                ("machines", name, "interfaces"), f"{name} has no address", f"give it one: interfaces: {{{example}: {{host: N}}}}"
            )


def router_is_reachable(site: Site) -> Iterator[Finding]:
    """The controller knows where to reach the router."""
    name = site.network.router
    router = site.machines.get(name)
    if router is None or router.interfaces:
        return
    if router.platform.kind == "metal" and router.platform.address is None:
        uplink = site.network.uplink.address
        fix = (
            f"did you mean {uplink.ip}, its address on the uplink?" if isinstance(uplink, IPv4Interface) else "give the address it has now"
        )
        yield Finding(("machines", name, "platform", "address"), "required: a router on metal must be reached before it is one", fix)
    if router.platform.kind == "vm":
        message = "a router cannot be a vm yet: its uplink is known to work in containers and on metal only"
        yield Finding(("machines", name, "platform", "kind"), message, "container")
    if router.platform.kind == "container" and site.network.uplink.address == "dhcp":
        message = "a router in a container is reached at its uplink address, which dhcp does not tell"
        yield Finding(("network", "uplink", "address"), message, "give a static address")


def someone_may_manage(site: Site) -> Iterator[Finding]:
    """The lab can be reached by someone once its firewall is up."""
    if not site.network.uplink.manage_from and not any(subnet.manage for subnet in site.network.subnets.values()):
        message = "nobody could reach the machines: it is empty, and no subnet has manage: true"
        yield Finding(("network", "uplink", "manage_from"), message, "name the network of the controller here")


def names_are_unique(site: Site) -> Iterator[Finding]:
    """A name in the lab's domain belongs to one thing."""
    owners = {name: f"machine {name}" for name in site.machines}
    named: list[tuple[Location, str, str]] = []
    for machine, subnet in _further_legs(site):
        named.append((("machines", machine, "interfaces", subnet), f"{machine}-{subnet}", f"machine {machine}'s leg"))
    for index, reservation in enumerate(site.network.reservations):
        named.append((("network", "reservations", index, "name"), reservation.name, "reservation"))
    for index, record in enumerate(site.network.records):
        named.append((("network", "records", index, "name"), record.name, "record"))
    for location, name, kind in named:
        if name in owners:
            yield Finding(location, f"the name {name} belongs to {owners[name]} already", "choose another name")
        owners.setdefault(name, f"{kind} {name}")


def _further_legs(site: Site) -> Iterator[tuple[str, str]]:
    """Machine and subnet of every leg but the first; such a leg is named machine-subnet."""
    for name, machine in site.machines.items():
        for subnet in list(machine.interfaces)[1:]:
            yield name, subnet


def leg_names_fit(site: Site) -> Iterator[Finding]:
    """The name of a leg is a host name too."""
    for machine, subnet in _further_legs(site):
        if len(f"{machine}-{subnet}") > 63:
            message = f"this leg's name, {machine}-{subnet}, is longer than the 63 characters of a host name"
            yield Finding(("machines", machine, "interfaces", subnet), message, "shorten the name of the machine")


def users_are_unique(site: Site) -> Iterator[Finding]:
    """Every account is described once."""
    seen: set[str] = set()
    for index, user in enumerate(site.users):
        if user.name in seen:
            yield Finding(("users", index, "name"), f"user {user.name} is there twice", "merge the two")
        seen.add(user.name)


def records_name_machines(site: Site) -> Iterator[Finding]:
    """A record of a machine names one that there is."""
    for index, record in enumerate(site.network.records):
        if record.machine is not None and record.machine not in site.machines:
            message = f"there is no machine {record.machine}"
            yield Finding(("network", "records", index, "machine"), message, suggest(record.machine, site.machines))


def vlans_are_unique(site: Site) -> Iterator[Finding]:
    """A VLAN id belongs to one subnet."""
    owners: dict[int, str] = {}
    used = {subnet.vlan for subnet in site.network.subnets.values()}
    free = (number for number in range(2, 4095) if number not in used)
    for name, subnet in site.network.subnets.items():
        if subnet.vlan is None:
            continue
        if subnet.vlan in owners:
            number = next(free, None)
            fix = f"a free one is {number}" if number else ""
            yield Finding(("network", "subnets", name, "vlan"), f"VLAN {subnet.vlan} belongs to {owners[subnet.vlan]} already", fix)
        owners.setdefault(subnet.vlan, name)


def trunk_has_vlans(site: Site) -> Iterator[Finding]:
    """On a trunk, only a VLAN id tells subnets apart."""
    if site.network.trunk is None:
        return
    for name, subnet in site.network.subnets.items():
        if subnet.vlan is None:
            yield Finding(
                ("network", "subnets", name, "vlan"),
                f"required: the subnets come over trunk {site.network.trunk}",
                "give it a free VLAN id",
            )


def interfaces_are_told_apart(site: Site) -> Iterator[Finding]:
    """Legs are named like their subnets; neither uplink nor trunk may have such a name."""
    uplink, trunk = site.network.uplink.interface, site.network.trunk
    if uplink in site.network.subnets:
        message = f"the router's leg in subnet {uplink} is called so already"
        yield Finding(("network", "uplink", "interface"), message, "rename the subnet or the interface")
    if trunk is not None and trunk in site.network.subnets:
        message = f"the router's leg in subnet {trunk} is called so already"
        yield Finding(("network", "trunk"), message, "rename the subnet")


def capacity_suffices(site: Site) -> Iterator[Finding]:
    """Machines ask no more of a platform than it has."""
    for kind in (kind for kind in KINDS if kind != "ovirt"):  # what oVirt has is what its hypervisors have: sections/ovirt_checks.py
        capacity = getattr(site.platforms, kind).capacity
        machines = [machine for machine in site.machines.values() if machine.platform.kind == kind]
        disks = sum(disk.size_gib for machine in machines for disk in machine.disks)
        for key, unit, more in (("vcpus", "vCPUs", 0), ("memory_gib", "GiB of memory", 0), ("disk_gib", "GiB of disk", disks)):
            offered = getattr(capacity, key)
            asked = round(sum(getattr(machine, key) for machine in machines) + more, 6)  # 0.1 three times is not 0.3 to a float
            if offered is not None and asked > offered:
                message = f"{len(machines)} machines ask for {asked:g} {unit}, the platform has {offered:g}"
                yield Finding(("platforms", kind, "capacity", key), message, f"at least {asked:g}, or smaller machines")


def vms_can_boot(site: Site) -> Iterator[Finding]:
    """A virtual machine holds at least Debian."""
    for name, machine in site.machines.items():
        if machine.platform.kind == "vm":
            for key, least in (("memory_gib", VM_MEMORY_GIB), ("disk_gib", VM_DISK_GIB)):
                if getattr(machine, key) < least:
                    message = f"{getattr(machine, key):g} GiB is too little for a vm"
                    yield Finding(("machines", name, key), message, f"at least {least:g}")


def disks_are_told_apart(site: Site) -> Iterator[Finding]:
    """A further disk is kept under its name; the first one is called root."""
    for name, machine in site.machines.items():
        seen = {"root"}
        for index, disk in enumerate(machine.disks):
            if disk.name in seen:
                message = f"{name} has a disk {disk.name} already"
                yield Finding(("machines", name, "disks", index, "name"), message, "choose another name")
            seen.add(disk.name)


def macs_are_unique(site: Site) -> Iterator[Finding]:
    """A MAC address belongs to one interface."""
    owned: list[tuple[Location, str, str]] = []
    for index, reservation in enumerate(site.network.reservations):
        owned.append((("network", "reservations", index, "mac"), reservation.mac, f"reservation {reservation.name}"))
    for name, machine in site.machines.items():
        for subnet, interface in machine.interfaces.items():
            if interface.mac is not None:
                owned.append((("machines", name, "interfaces", subnet, "mac"), interface.mac, f"machine {name}"))
    counts = Counter(mac for _, mac, _ in owned)
    first: dict[str, str] = {}
    for location, mac, owner in owned:
        if counts[mac] > 1 and mac in first:
            fix = "remove it to have one derived" if owner.startswith("machine") else "read it from the device again"
            yield Finding(location, f"{mac} belongs to {first[mac]} already", fix)
        first.setdefault(mac, owner)


CHECKS: tuple[Check, ...] = (
    subnets_named_exist,
    router_exists,
    machines_have_interfaces,
    router_is_reachable,
    someone_may_manage,
    names_are_unique,
    leg_names_fit,
    users_are_unique,
    records_name_machines,
    vlans_are_unique,
    trunk_has_vlans,
    interfaces_are_told_apart,
    capacity_suffices,
    vms_can_boot,
    disks_are_told_apart,
    macs_are_unique,
)

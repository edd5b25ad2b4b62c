"""Checks of section `openstack` against the rest of the site."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lab.errors import suggest
from lab.sections import openstack
from lab.sections.git import names_of
from lab.sections.nas import networks
from lab.sections.nas_checks import subnet_of
from lab.sections.openstack import COMPUTE, CONTROL, NETWORK, OVERLAY_BYTES, SMALLEST_MTU, Openstack
from lab.site_checks import Check, Finding
from lab.site_yaml import Location

if TYPE_CHECKING:
    from lab.site import Site
    from lab.site_machines import Machine

# Seen on machines at rest, with Debian itself and the lab's own daemons: all services together, and what a compute needs besides servers.
CONTROL_GIB, COMPUTE_GIB = 4.0, 1.0
CEPH_GIB = 0.5  # the small store for volumes
RESERVED_MIB = 512  # of a compute's memory, which no server gets
MIB_PER_GIB = 1024
ROLES = {CONTROL: "has the APIs and the database", NETWORK: "lets servers out", COMPUTE: "runs servers"}


def groups_have_machines(site: Site) -> Iterator[Finding]:
    """A cloud has a machine for everything it does; one may do all of it."""
    for group, does in ROLES.items() if site.openstack else ():
        if not openstack.machines_of(site, group):
            yield Finding(("openstack",), f"no machine is in group {group}", f"add {group} to the groups of the one that {does}")


def control_has_a_quorum(site: Site) -> Iterator[Finding]:
    """Of an even number of control machines, neither half could decide; and a cluster of them is laid out, but not built yet."""
    control = openstack.machines_of(site, CONTROL) if site.openstack else []
    if len(control) < 2:
        return
    at: Location = ("machines", control[-1].name, "groups")
    if len(control) % 2 == 0:
        message = f"{len(control)} machines are in group {CONTROL}, and half of them could not outvote the other half"
        yield Finding(at, message, f"{len(control) - 1} or {len(control) + 1}")
    else:
        message = f"{len(control)} machines are in group {CONTROL}: a cluster of control machines is not built by this version"
        yield Finding(at, message, f"leave {control[0].name} alone in the group")


def cloud_is_not_on_itself(site: Site) -> Iterator[Finding]:
    """A control machine runs Debian by itself; VMs of oVirt are made by a stage that does not come before this one."""
    for machine in openstack.everyone(site) if site.openstack else ():
        if machine.platform.kind == "ovirt":
            at: Location = ("machines", machine.name, "platform", "kind")
            yield Finding(at, f"{machine.name} is of the cloud, and cannot be a VM of oVirt yet", "container, vm or metal")


def subnets_of_the_cloud_exist(site: Site) -> Iterator[Finding]:
    """Subnets that the section names are defined."""
    ours, subnets = site.openstack, site.network.subnets
    if ours is None:
        return
    named: list[tuple[Location, str]] = [(("openstack", "provider", "subnet"), ours.provider.subnet)]
    if ours.overlay.subnet:
        named.append((("openstack", "overlay", "subnet"), ours.overlay.subnet))
    named += [(("openstack", "clients", index), client) for index, client in enumerate(ours.clients)]
    for location, name in named:
        if name not in subnets:
            yield Finding(location, f"there is no subnet {name}", suggest(name, subnets))


def provider_has_interfaces(site: Site) -> Iterator[Finding]:
    """Where servers are let out there is a wire to let them out on, and tunnels have two ends."""
    ours = site.openstack
    if ours is None or not {ours.provider.subnet, openstack.overlay_subnet(ours)} <= set(site.network.subnets):
        return
    for machine in openstack.chassis(site):
        wanted = {openstack.overlay_subnet(ours): "tunnels to the other machines of the cloud go through it"}
        if NETWORK in machine.groups:
            wanted[ours.provider.subnet] = "the cloud's routers let servers out there"
        for subnet, why in wanted.items():
            if subnet not in machine.interfaces:
                fix = f"add `{subnet}: {{host: N}}` to its interfaces"
                yield Finding(("machines", machine.name, "interfaces"), f"{machine.name} has no leg in {subnet}, but {why}", fix)
        if next(iter(machine.interfaces), None) == ours.provider.subnet:
            message = f"{machine.name} is managed over its first leg, in {ours.provider.subnet}, which becomes a port of a switch"
            fix = "give it a first leg in another subnet"
            yield Finding(("machines", machine.name, "interfaces"), message, fix)


def floating_range_is_free(site: Site) -> Iterator[Finding]:
    """Floating addresses lie in the provider's subnet, and nobody else has or gives away one of them."""
    ours = site.openstack
    if ours is None or ours.provider.subnet not in site.network.subnets:
        return
    subnet = site.network.subnets[ours.provider.subnet]
    first, last = openstack.floating(site, ours)
    at: Location = ("openstack", "provider", "floating")
    for key, address in (("from", first), ("to", last)):
        if not subnet.cidr.network_address < address < subnet.cidr.broadcast_address:
            yield Finding((*at, key), f"{address} lies outside {subnet.name} ({subnet.cidr})", f"host 1 to {subnet.cidr.num_addresses - 2}")
            return
    if first > last:
        yield Finding(at, f"the range runs backwards, from {first} to {last}", "swap from and to")
        return
    if subnet.dhcp and subnet.dhcp.from_ <= last and first <= subnet.dhcp.to:
        message = f"{first} to {last} meets the DHCP pool of {subnet.name} ({subnet.dhcp.from_} to {subnet.dhcp.to})"
        yield Finding(at, message, "move one of them")
    yield from _owned(site, at, subnet.name)


def _owned(site: Site, at: Location, subnet: str) -> Iterator[Finding]:
    from lab.site_checks_addresses import claims  # here, because that module is made of what sections are checked with

    assert site.openstack  # noqa: S101 - the caller has looked
    first, last = openstack.floating(site, site.openstack)
    for claim in claims(site):
        if first <= claim.address <= last and claim.subnet in (None, subnet):
            yield Finding(at, f"{claim.address} in it belongs to {claim.owner}", "leave it out of the range, or give its owner another")


def overlay_fits_its_underlay(site: Site) -> Iterator[Finding]:
    """A packet of a server and the head of its tunnel fit into one of the subnet below."""
    ours = site.openstack
    if ours is None or (name := openstack.overlay_subnet(ours)) not in site.network.subnets:
        return
    below = site.network.subnets[name].mtu
    room = below - OVERLAY_BYTES
    if ours.overlay.mtu and ours.overlay.mtu > room:
        message = f"{ours.overlay.mtu} bytes and the {OVERLAY_BYTES} of a tunnel do not fit into the {below} of {name}"
        yield Finding(("openstack", "overlay", "mtu"), message, f"at most {room}, or leave it out")
    elif room < SMALLEST_MTU:
        message = f"{name} carries {below} bytes, which leaves {room} to servers' networks behind the head of a tunnel"
        yield Finding(("network", "subnets", name, "mtu"), message, f"at least {SMALLEST_MTU + OVERLAY_BYTES}")


def name_leads_to_the_cloud(site: Site) -> Iterator[Finding]:
    """The host name in its URLs is one of the control machine."""
    ours, control = site.openstack, openstack.control_machine(site)
    if ours and control and ours.name is not None and ours.name not in (names := names_of(site, control)):
        fix = f"add the record {{name: {ours.name}, machine: {control}}}, or use {' or '.join(names)}"
        yield Finding(("openstack", "name"), f"{ours.name} does not lead to {control}, the control machine", fix)


def machines_have_memory(site: Site) -> Iterator[Finding]:
    """Each machine has as much as what it runs has been seen to need."""
    for machine in openstack.everyone(site) if site.openstack else ():
        needed = control_gib(site) * (CONTROL in machine.groups) + COMPUTE_GIB * (COMPUTE in machine.groups)
        if machine.memory_gib < needed:
            message = f"{machine.memory_gib:g} GiB is too little for what {machine.name} runs of the cloud"
            yield Finding(("machines", machine.name, "memory_gib"), message, f"at least {needed:g}")


def control_gib(site: Site) -> float:
    """What a control machine needs for itself."""
    volumes = site.openstack.volumes if site.openstack else None
    return CONTROL_GIB + (CEPH_GIB if volumes and volumes.backend == "ceph" else 0)


def volumes_have_a_place(site: Site) -> Iterator[Finding]:
    """Volumes on the NAS are mounted by every machine that makes them or that servers run on, and all of them are the same owner there."""
    volumes = site.openstack.volumes if site.openstack else None
    if volumes is None or volumes.backend != "nfs" or volumes.dataset is None:
        return
    at: Location = ("openstack", "volumes", "dataset")
    if site.nas is None:
        yield Finding(at, "the site has no NAS", "write the section nas, or backend: ceph")
        return
    if volumes.dataset not in site.nas.datasets:
        yield Finding(at, f"there is no dataset {volumes.dataset}", suggest(volumes.dataset, site.nas.datasets))
        return
    exports = [export for export in site.nas.datasets[volumes.dataset].exports if export.squash == "all" and not export.read_only]
    allowed = [client for export in exports for client in export.clients if subnet_of(site, client)]
    ranges = networks(tuple(allowed), site.network.subnets)
    for machine in openstack.everyone(site):
        if not {CONTROL, COMPUTE} & set(machine.groups):
            continue
        if machine.platform.kind == "container":
            message = f"{machine.name} is a container: its kernel is another machine's and mounts no NFS"
            yield Finding(("openstack", "volumes", "backend"), message, "backend: ceph, which asks nothing of kernels")
        # One without legs is named by another check.
        if machine.interfaces and not any(leg.address in one for one in ranges for leg in machine.interfaces.values()):
            message = f"{volumes.dataset} is not exported to {machine.name} with squash: all, so that volumes have one owner"
            yield Finding(at, message, f"add {next(iter(machine.interfaces))} to the clients of such an export")


def zone_is_free(site: Site) -> Iterator[Finding]:
    """The router asks the cloud for every name of the zone, so that no other name of the lab may be in its place."""
    ours = site.openstack
    if ours is None or "designate" not in ours.services:
        return
    taken = {name: f"machine {name}" for name in site.machines}
    taken |= {record.name: f"the record {record.name}" for record in site.network.records}
    taken |= {item.name: f"the reservation {item.name}" for item in site.network.reservations}
    if ours.zone in taken:
        yield Finding(("openstack", "zone"), f"{ours.zone}.{site.domain} is {taken[ours.zone]} already", "choose another name for the zone")


def kernels_can_be_chosen(site: Site) -> Iterator[Finding]:
    """A machine of the platform has the kernel that the platform gives it."""
    if site.openstack is None or site.openstack.kernel is None:
        return
    others = [machine for machine in openstack.everyone(site) if machine.platform.kind != "metal"]
    if others:
        names = " and ".join(machine.name for machine in others)
        message = f"the kernel of {names} is the platform's, and cannot be chosen"
        yield Finding(("openstack", "kernel"), message, "remove it, or let them be of metal")


def flavors_fit_a_compute(site: Site) -> Iterator[Finding]:
    """There is a compute that a server of that size could ever start on."""
    ours = site.openstack
    computes = openstack.machines_of(site, COMPUTE) if ours else []
    if ours is None or not computes:
        return
    for name, flavor in ours.flavors.items():
        wanted = {"vcpus": flavor.vcpus, "memory_mib": flavor.memory_mib, "disk_gib": flavor.disk_gib}
        if any(all(wanted[key] <= offer for key, offer in offered(site, machine).items()) for machine in computes):
            continue
        for key in wanted:
            most = max(offered(site, machine)[key] for machine in computes)
            if wanted[key] > most:
                message = f"no compute holds it: {wanted[key]} is asked for, the largest has {most:g} for servers"
                yield Finding(("openstack", "flavors", name, key), message, f"at most {most:g}")
                break
        else:
            yield Finding(("openstack", "flavors", name), "no one compute has enough of everything it asks for", _offers(site, computes))


def _offers(site: Site, computes: list[Machine]) -> str:
    each = [f"{machine.name} {', '.join(f'{value:g} {key}' for key, value in offered(site, machine).items())}" for machine in computes]
    return f"they have: {'; '.join(each)}"


def offered(site: Site, machine: Machine) -> dict[str, float]:
    """What a compute has for servers."""
    memory = machine.memory_gib * MIB_PER_GIB - RESERVED_MIB - (control_gib(site) * MIB_PER_GIB if CONTROL in machine.groups else 0)
    return {"vcpus": machine.vcpus, "memory_mib": memory, "disk_gib": machine.disk_gib}


CHECKS: tuple[Check, ...] = (
    groups_have_machines,
    control_has_a_quorum,
    cloud_is_not_on_itself,
    subnets_of_the_cloud_exist,
    provider_has_interfaces,
    floating_range_is_free,
    overlay_fits_its_underlay,
    name_leads_to_the_cloud,
    machines_have_memory,
    volumes_have_a_place,
    zone_is_free,
    kernels_can_be_chosen,
    flavors_fit_a_compute,
)
__all__ = ["CHECKS", "Openstack", "offered"]

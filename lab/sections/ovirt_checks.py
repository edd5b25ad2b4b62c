"""Checks of section `ovirt`, and of machines on oVirt, against the rest of the site."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lab.errors import suggest
from lab.sections import ovirt
from lab.sections.nas import networks as ranges
from lab.site_checks import Check, Finding
from lab.site_yaml import Location

if TYPE_CHECKING:
    from lab.site import Site

# What has to stand before there is an oVirt, so that it cannot be on it.
EARLIER = ("router", "nas", ovirt.ENGINE, ovirt.HYPERVISOR)
IMAGE_GIB = 3  # what the lab's own image for VMs is large; its disks only grow
KEPT_FREE_GIB = 5  # an engine refuses new disks where less would be left (critical space action blocker)
LEAST_MEMORY_GIB = 0.5  # Debian boots with less, and then an apt update is killed


def machines_on_ovirt_have_one(site: Site) -> Iterator[Finding]:
    """Machines on oVirt, engines and hypervisors belong to a section."""
    for name, machine in site.machines.items() if site.ovirt is None else ():
        if machine.platform.kind == "ovirt":
            message = "the site has no oVirt this machine could be on"
            yield Finding(("machines", name, "platform", "kind"), message, "write the section `ovirt:`, or use another platform")


def what_ovirt_needs_is_not_on_it(site: Site) -> Iterator[Finding]:
    """Router, NAS, engine and hypervisors stand before any VM does."""
    for machine in ovirt.hosted(site):
        for group in machine.groups:
            if group in EARLIER:
                message = f"{machine.name} is in group {group}, which has to stand before a machine on oVirt can"
                yield Finding(("machines", machine.name, "groups"), message, "use another platform, or take it out of the group")


def engine_is_one_machine(site: Site) -> Iterator[Finding]:
    """The engine is one machine; a self-hosted one is none, but has an address by its record."""
    if site.ovirt is None:
        return
    at: Location = ("ovirt", "engine")
    found = ovirt.machines_of(site, ovirt.ENGINE)
    if site.ovirt.engine.kind == "self_hosted":
        records = [record.name for record in site.network.records]
        if site.ovirt.engine.name not in records:
            message = f"no record {site.ovirt.engine.name} says which address the self-hosted engine has"
            fix = suggest(str(site.ovirt.engine.name), records) or f"add {{name: {site.ovirt.engine.name}, subnet: ..., host: N}}"
            yield Finding((*at, "name"), message, fix)
        for machine in found:
            message = f"{machine.name} is in group {ovirt.ENGINE}, but a self-hosted engine is a VM that oVirt makes itself"
            yield Finding(("machines", machine.name, "groups"), message, "take it out of the group, or kind: standalone")
        return
    if not found:
        yield Finding(at, f"no machine is in group {ovirt.ENGINE}", f"add {ovirt.ENGINE} to the groups of the machine it shall be on")
    for machine in found[1:]:
        message = f"{found[0].name} is in group {ovirt.ENGINE} already, and there can be only one"
        yield Finding(("machines", machine.name, "groups"), message, "take it out of the group")


def engine_name_leads_to_it(site: Site) -> Iterator[Finding]:
    """The name the engine's certificate is for is one of its machine's."""
    machine = ovirt.engine_machine(site)
    if site.ovirt is None or machine is None or site.ovirt.engine.name is None or site.ovirt.engine.kind == "self_hosted":
        return
    addresses = {interface.address for interface in site.machines[machine].interfaces.values()}
    known = [machine, *(record.name for record in site.network.records if record.address in addresses)]
    if site.ovirt.engine.name not in known:
        fix = f"add the record {{name: {site.ovirt.engine.name}, machine: {machine}}}, or use {' or '.join(known)}"
        yield Finding(("ovirt", "engine", "name"), f"{site.ovirt.engine.name} does not lead to {machine}, the engine", fix)


def hypervisors_exist(site: Site) -> Iterator[Finding]:
    """There is one at least, and all begin with a leg in one subnet, over which the engine reaches them."""
    if site.ovirt is None:
        return
    found = ovirt.machines_of(site, ovirt.HYPERVISOR)
    if not found:
        fix = f"add {ovirt.HYPERVISOR} to the groups of the machines that shall run VMs"
        yield Finding(("ovirt",), f"no machine is in group {ovirt.HYPERVISOR}", fix)
    first = ovirt.management_subnet(site)
    for machine in found[1:]:
        leg = next(iter(machine.interfaces), None)
        if leg != first:
            message = f"{machine.name} begins with a leg in {leg}, {found[0].name} in {first}, and the engine reaches all over one network"
            yield Finding(("machines", machine.name, "interfaces"), message, f"write {first} first")


def engine_is_on_its_platform(site: Site) -> Iterator[Finding]:
    """What is simulated is containers, what is real is hardware; never half of each."""
    if site.ovirt is None:
        return
    kind = site.ovirt.engine.kind
    wanted = ovirt.PLATFORM_OF[kind]
    for machine in [*ovirt.machines_of(site, ovirt.ENGINE), *ovirt.machines_of(site, ovirt.HYPERVISOR)]:
        if machine.platform.kind != wanted:
            message = f"{machine.name} is on platform {machine.platform.kind}, and with an engine of kind {kind} it has to be on {wanted}"
            yield Finding(("machines", machine.name, "platform", "kind"), message, f"kind: {wanted}, or another ovirt.engine.kind")


def legs_leave_the_names_of_networks_free(site: Site) -> Iterator[Finding]:
    """A hypervisor makes a bridge of a network's name, beside the interface the network is on."""
    names = {ovirt.network_name(site, subnet) for subnet in ovirt.networks(site)} | {ovirt.MANAGEMENT}
    for machine in ovirt.machines_of(site, ovirt.HYPERVISOR) if site.ovirt else ():
        for number, (subnet, interface) in enumerate(machine.interfaces.items()):
            if interface.interface in names:
                message = f"{machine.name}'s interface {interface.interface} has the name of a network, whose bridge is called so there"
                fix = f"give it the name of a card: interface: eth{number}"
                yield Finding(("machines", machine.name, "interfaces", subnet, "interface"), message, fix)


def networks_of_vms_are_on_every_hypervisor(site: Site) -> Iterator[Finding]:
    """A VM may start on any hypervisor, so every hypervisor has the VM's networks: a leg, or all of them the trunk."""
    if site.ovirt is None:
        return
    hypervisors = ovirt.machines_of(site, ovirt.HYPERVISOR)
    for machine in ovirt.hosted(site):
        for subnet in machine.interfaces:
            without = [other.name for other in hypervisors if subnet not in other.interfaces]
            over_trunk = len(without) == len(hypervisors) and site.ovirt.trunk and subnet in ovirt.networks(site)
            if without and subnet in site.network.subnets and not over_trunk:
                message = f"hypervisor {' and '.join(without)} has no leg in {subnet}, so {machine.name} could not run there"
                fix = f"give each a leg in {subnet}, or none and name their ovirt.trunk, and give {subnet} a vlan"
                yield Finding(("machines", machine.name, "interfaces", subnet), message, fix)


def storage_is_exported_to_hypervisors(site: Site) -> Iterator[Finding]:
    """A storage domain is a dataset for oVirt that every hypervisor may mount and write."""
    if site.ovirt is None:
        return
    taken: dict[str, str] = {}
    places: list[tuple[Location, str, str]] = [
        (("ovirt", "storage", name, "dataset"), f"storage {name}", one.dataset) for name, one in site.ovirt.storage.items()
    ]
    if own := site.ovirt.engine.self_hosted:
        places.append((("ovirt", "engine", "self_hosted", "dataset"), "the engine's own storage", own.dataset))
    for at, what, dataset in places:
        known = {key: data for key, data in site.nas.datasets.items() if data.for_ == "ovirt"} if site.nas else {}
        if dataset not in known:
            fix = suggest(dataset, known) or "add the dataset with `for: ovirt` to nas.datasets"
            yield Finding(at, f"the NAS has no dataset {dataset} for oVirt", fix)
            continue
        if dataset in taken:
            yield Finding(at, f"{dataset} is {taken[dataset]} already", "a dataset for each")
        taken.setdefault(dataset, what)
        clients = tuple(client for export in known[dataset].exports if not export.read_only for client in export.clients)
        try:
            allowed = ranges(clients, site.network.subnets)
        except ValueError:
            continue  # reported by the checks of nas
        for machine in ovirt.machines_of(site, ovirt.HYPERVISOR):
            if not any(interface.address in one for one in allowed for interface in machine.interfaces.values()):
                message = f"{dataset} is not exported to hypervisor {machine.name} for writing"
                yield Finding(at, message, f"add {list(machine.interfaces)[-1]} to the clients of one of its exports")


def vms_fit_their_hypervisors(site: Site) -> Iterator[Finding]:
    """Machines on oVirt ask no more than the hypervisors have together, and none more than one of them has."""
    found, vms = ovirt.machines_of(site, ovirt.HYPERVISOR), ovirt.hosted(site)
    if site.ovirt is None or not found:
        return
    for key, unit in (("vcpus", "vCPUs"), ("memory_gib", "GiB of memory")):
        has = [getattr(machine, key) for machine in found]
        largest = max(has)
        asked = round(sum(getattr(machine, key) for machine in vms), 6)
        offered = round(sum(has), 6)
        for machine in vms:
            if getattr(machine, key) > largest:
                message = f"{getattr(machine, key):g} {unit}, and no hypervisor has more than {largest:g}"
                yield Finding(("machines", machine.name, key), message, f"at most {largest:g}")
        if asked > offered:
            message = f"{len(vms)} machines on oVirt ask for {asked:g} {unit}, its hypervisors have {offered:g}"
            yield Finding(("ovirt",), message, f"hypervisors with at least {asked:g}, or smaller machines")


def storage_holds_the_vms(site: Site) -> Iterator[Finding]:
    """The disks of machines on oVirt, the template they are made from, and what an engine keeps free, fit the first storage domain."""
    vms = ovirt.hosted(site)
    if site.ovirt is None or site.nas is None or not vms:
        return
    name, storage = next(iter(site.ovirt.storage.items()))
    dataset = site.nas.datasets.get(storage.dataset)
    asked = round(sum(machine.disk_gib for machine in vms) + IMAGE_GIB + KEPT_FREE_GIB, 6)
    if dataset is not None and asked > dataset.size_gib:
        kept = f"their template of {IMAGE_GIB} and the {KEPT_FREE_GIB} an engine keeps free"
        message = f"{len(vms)} machines on oVirt with {kept} ask for {asked:g} GiB, dataset {storage.dataset} has {dataset.size_gib:g}"
        yield Finding(("ovirt", "storage", name), message, f"nas.datasets.{storage.dataset}.size_gib: {asked:g}, or smaller disks")


def vms_on_ovirt_can_boot(site: Site) -> Iterator[Finding]:
    """A VM holds at least the image it is made from; the engine counts disks in whole GiB."""
    for machine in ovirt.hosted(site):
        if machine.memory_gib < LEAST_MEMORY_GIB:
            message = f"{machine.memory_gib:g} GiB is too little for a machine on oVirt"
            yield Finding(("machines", machine.name, "memory_gib"), message, f"at least {LEAST_MEMORY_GIB:g}")
        if machine.disk_gib < IMAGE_GIB or machine.disk_gib != int(machine.disk_gib):
            message = (
                f"{machine.disk_gib:g} GiB: the disk of a machine on oVirt is a whole number of GiB, and holds the image of {IMAGE_GIB}"
            )
            yield Finding(
                ("machines", machine.name, "disk_gib"), message, f"at least {IMAGE_GIB}, such as {max(IMAGE_GIB, round(machine.disk_gib))}"
            )


def affinity_can_be_kept(site: Site) -> Iterator[Finding]:
    """Groups are of machines on oVirt, and there are hypervisors enough to keep them apart."""
    if site.ovirt is None:
        return
    vms = [machine.name for machine in ovirt.hosted(site)]
    count = len(ovirt.machines_of(site, ovirt.HYPERVISOR))
    for name, group in site.ovirt.affinity.items():
        at: Location = ("ovirt", "affinity", name, "machines")
        for index, machine in enumerate(group.machines):
            if machine not in vms:
                yield Finding((*at, index), f"there is no machine {machine} on platform ovirt", suggest(machine, vms))
            elif machine in group.machines[:index]:
                yield Finding((*at, index), f"{machine} stands in the list already", "remove one of the two")
        if group.rule == "apart" and group.enforcing and len(set(group.machines)) > count > 0:
            message = f"{len(set(group.machines))} machines cannot be apart on {count} hypervisors"
            yield Finding(at, message, "fewer machines, or enforcing: false")


CHECKS: tuple[Check, ...] = (
    machines_on_ovirt_have_one,
    what_ovirt_needs_is_not_on_it,
    engine_is_one_machine,
    engine_name_leads_to_it,
    hypervisors_exist,
    engine_is_on_its_platform,
    legs_leave_the_names_of_networks_free,
    networks_of_vms_are_on_every_hypervisor,
    storage_is_exported_to_hypervisors,
    vms_fit_their_hypervisors,
    storage_holds_the_vms,
    vms_on_ovirt_can_boot,
    affinity_can_be_kept,
)

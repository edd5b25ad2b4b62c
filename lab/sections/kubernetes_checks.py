"""Checks of section `kubernetes`, and of the machines of its groups, against the rest of the site."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from lab import addressing
from lab.errors import suggest
from lab.kubernetes import versions
from lab.kubernetes.releases import RELEASES
from lab.sections import kubernetes
from lab.sections.nas import networks as ranges
from lab.site_checks import Check, Finding
from lab.site_checks_addresses import claims, uplink_network
from lab.site_yaml import Location

if TYPE_CHECKING:
    from lab.site import Site

# kubeadm refuses a control plane with less than 1700 MiB besides what its kernel keeps; a smaller worker runs the cluster's own pods only.
CONTROL_PLANE_GIB, WORKER_GIB, DISK_GIB = 1.75, 0.75, 6
MOST_CONTROL_PLANES = 5  # each further one makes every write of etcd slower
WITH_A_KERNEL = ("vm", "ovirt", "metal")


def nodes_belong_to_a_cluster(site: Site) -> Iterator[Finding]:
    """Machines of its groups are of a cluster that there is."""
    for machine in [*kubernetes.control_planes(site), *kubernetes.workers(site)] if site.kubernetes is None else ():
        message = f"{machine.name} is in a group of Kubernetes, and the site has no cluster it could belong to"
        yield Finding(("machines", machine.name, "groups"), message, "write the section `kubernetes:`, or take it out of the group")


def control_planes_can_agree(site: Site) -> Iterator[Finding]:
    """One, three or five: of an even number, no more may fail than of one less."""
    if site.kubernetes is None:
        return
    count = len(kubernetes.control_planes(site))
    group = kubernetes.CONTROL_PLANE
    if not count:
        yield Finding(("kubernetes",), f"no machine is in group {group}", "add it to the groups of one, three or five machines")
    elif count % 2 == 0:
        message = f"{count} machines are in group {group}: of {count}, no more may fail than of {count - 1}, and it is one more that can"
        yield Finding(("kubernetes",), message, f"{count - 1} or {count + 1} of them")
    elif count > MOST_CONTROL_PLANES:
        message = f"{count} machines are in group {group}, and every write waits for more than half of them"
        yield Finding(("kubernetes",), message, f"at most {MOST_CONTROL_PLANES}; the others as {kubernetes.WORKER}")


def nodes_have_one_part(site: Site) -> Iterator[Finding]:
    """A node is a control plane or a worker. Where there is no worker, control planes run workloads by themselves."""
    for machine in kubernetes.control_planes(site) if site.kubernetes else ():
        if kubernetes.WORKER in machine.groups:
            message = f"{machine.name} is in {kubernetes.CONTROL_PLANE} and in {kubernetes.WORKER}"
            fix = f"take it out of {kubernetes.WORKER}: where no machine is a worker, control planes are"
            yield Finding(("machines", machine.name, "groups"), message, fix)


def nodes_have_what_they_need(site: Site) -> Iterator[Finding]:
    """A kernel of their own, memory and space."""
    for machine in kubernetes.nodes(site):
        kind = machine.platform.kind
        least = CONTROL_PLANE_GIB if kubernetes.CONTROL_PLANE in machine.groups else WORKER_GIB
        if kind not in WITH_A_KERNEL:
            message = f"{machine.name} is a {kind}, which shares the kernel and control groups of the controller, and a node needs its own"
            yield Finding(("machines", machine.name, "platform", "kind"), message, f"one of: {', '.join(WITH_A_KERNEL)}")
        elif kind != "metal" and machine.memory_gib < least:
            part = "control plane" if least == CONTROL_PLANE_GIB else "worker"
            message = f"{machine.memory_gib:g} GiB of memory are too little for a {part}"
            yield Finding(("machines", machine.name, "memory_gib"), message, f"at least {least:g}")
        if kind != "metal" and machine.disk_gib < DISK_GIB:
            message = f"{machine.disk_gib:g} GiB of disk are too little for a node, which keeps its images there"
            yield Finding(("machines", machine.name, "disk_gib"), message, f"at least {DISK_GIB}")


def nodes_are_on_one_wire(site: Site) -> Iterator[Finding]:
    """A node is known by its first leg; where those are in several subnets, the router has to let all to all."""
    found = [machine for machine in kubernetes.nodes(site) if machine.interfaces]
    for machine in found[1:]:
        ours, first = next(iter(machine.interfaces)), next(iter(found[0].interfaces))
        if ours != first:
            message = f"{machine.name} begins with a leg in {ours}, {found[0].name} in {first}, and nodes reach each other by the first"
            yield Finding(("machines", machine.name, "interfaces"), message, f"write {first} first")


def endpoint_leads_to_the_api(site: Site) -> Iterator[Finding]:
    """The API has an address: that of the only control plane, or one that no machine has where there are several."""
    ours, found = site.kubernetes, kubernetes.control_planes(site)
    if ours is None or not found:
        return
    at: Location = ("kubernetes", "endpoint")
    records = {record.name: record for record in site.network.records}
    first = next(iter(found[0].interfaces), "")
    if ours.endpoint not in records:
        wanted = f"machine: {found[0].name}" if len(found) == 1 else f"subnet: {first}, host: N"
        fix = f"add {{name: {ours.endpoint}, {wanted}}} to network.records"
        yield Finding(at, f"no record {ours.endpoint} says which address the API has", fix)
        return
    record, address = records[ours.endpoint], kubernetes.endpoint(site)
    if record.machine is not None:
        alone = len(found) == 1 and record.machine == found[0].name
        several = (
            f"{ours.endpoint} is the name of machine {record.machine}, and the API of {len(found)} control planes needs an address that"
        )
        if not alone and record.machine in site.machines and len(found) > 1:
            yield Finding(at, f"{several} moves", f"{{name: {ours.endpoint}, subnet: {first}, host: N}}")
        elif not alone and record.machine in site.machines:
            yield Finding(at, f"{ours.endpoint} leads to {record.machine}, not to {found[0].name}", f"machine: {found[0].name}")
    elif address is not None and first in site.network.subnets and address not in site.network.subnets[first].cidr:
        message = f"{address} of {ours.endpoint} is not in {first}, where the control planes are, so none could answer for it"
        yield Finding(at, message, f"{{name: {ours.endpoint}, subnet: {first}, host: N}}")


def ranges_are_apart(site: Site) -> Iterator[Finding]:
    """Pods and services have ranges that nobody else has: what is in them never leaves a node as it is."""
    ours = site.kubernetes
    if ours is None:
        return
    uplink = uplink_network(site)
    others = {f"subnet {name}": subnet.cidr for name, subnet in site.network.subnets.items()} | ({"the uplink": uplink} if uplink else {})
    taken = [*others.values(), site.network.supernet]
    for key, network in (("pods", ours.pods), ("services", ours.services)):
        for name, other in others.items():
            if network.overlaps(other):
                yield Finding(
                    ("kubernetes", key), f"{network} overlaps {name} ({other})", _free(network, [*taken, ours.pods, ours.services])
                )
                break
        others |= {f"kubernetes.{key}": network}


def _free(network: IPv4Network, taken: list[IPv4Network]) -> str:
    free = addressing.next_free(IPv4Network("10.0.0.0/8"), network.prefixlen, taken)
    return f"a free one is {free}" if free else ""


def ranges_have_room(site: Site) -> Iterator[Finding]:
    """Each node takes a part of the pods' range; services are at least as many as the lab's own."""
    ours = site.kubernetes
    if ours is None:
        return
    count, each = len(kubernetes.nodes(site)), kubernetes.NODE_PREFIX
    room = 2 ** (each - ours.pods.prefixlen) if ours.pods.prefixlen <= each else 0
    if room < count:
        message = f"{ours.pods} has room for {room} nodes with a /{each} each, and there are {count}"
        yield Finding(("kubernetes", "pods"), message, f"at least a /{each - max(count - 1, 0).bit_length()}")
    if not 12 <= ours.services.prefixlen <= 24:
        message = f"{ours.services} is {'larger than the API serves' if ours.services.prefixlen < 12 else 'too small for a cluster'}"
        yield Finding(("kubernetes", "services"), message, "from /12 to /24")


def load_balancers_are_in_their_subnet(site: Site) -> Iterator[Finding]:
    """Their range is a part of its subnet that neither DHCP nor a machine has, and nodes are there to answer for it."""
    ours = site.kubernetes.load_balancer if site.kubernetes else None
    at: Location = ("kubernetes", "load_balancer")
    if ours is None:
        return
    if ours.subnet not in site.network.subnets:
        yield Finding((*at, "subnet"), f"there is no subnet {ours.subnet}", suggest(ours.subnet, site.network.subnets))
        return
    subnet, found = site.network.subnets[ours.subnet], kubernetes.range_of(site)
    assert found  # noqa: S101 - the subnet is there
    first, last = found
    outside = [(key, address) for key, address in (("from", first), ("to", last)) if not addressing.is_usable(subnet.cidr, address)]
    for key, address in outside:
        yield Finding((*at, key), f"{address} is not an address in {ours.subnet} ({subnet.cidr})", "write host numbers of the subnet")
    if outside:
        return
    if first > last:
        yield Finding(at, f"the range runs backwards, from {first} to {last}", "swap from and to")
        return
    if subnet.dhcp and subnet.dhcp.from_ <= last and first <= subnet.dhcp.to:
        message = f"{first} to {last} meets the DHCP pool of {ours.subnet} ({subnet.dhcp.from_} to {subnet.dhcp.to})"
        yield Finding(at, message, "a range outside of the pool")
    for claim in claims(site):
        # A record there is the name of a service, but for that of the API.
        is_name = claim.owner.startswith("record ") and claim.owner != f"record {site.kubernetes.endpoint if site.kubernetes else ''}"
        if first <= claim.address <= last and not is_name:
            yield Finding(at, f"{first} to {last} holds {claim.address} of {claim.owner}", "a range without it")
    for machine in kubernetes.workers(site) or kubernetes.control_planes(site):
        if ours.subnet not in machine.interfaces:
            message = f"{machine.name} has no leg in {ours.subnet}, so it cannot answer for an address there"
            yield Finding((*at, "subnet"), message, f"another subnet, or give it a leg in {ours.subnet}")


def ingress_has_a_name(site: Site) -> Iterator[Finding]:
    """Web services are found at names below one that leads to an address of the load balancer."""
    ours = site.kubernetes
    if ours is None or ours.ingress is None:
        return
    at: Location = ("kubernetes", "ingress")
    if ours.load_balancer is None:
        fix = "load_balancer: {subnet: NAME, from: N, to: N}"
        yield Finding(at, "an ingress needs an address that services can have, and there is none", fix)
        return
    records = {record.name: record for record in site.network.records}
    wanted, found = ours.ingress.record, kubernetes.range_of(site)
    if wanted not in records:
        fix = f"add {{name: {wanted}, subnet: {ours.load_balancer.subnet}, host: N, covers_below: true}} to network.records"
        yield Finding((*at, "record"), f"no record {wanted} says which address it has", fix)
    elif found and not found[0] <= records[wanted].address <= found[1]:
        message = f"{records[wanted].address} of {wanted} is none of the load balancer's, from {found[0]} to {found[1]}"
        yield Finding((*at, "record"), message, f"a host of {ours.load_balancer.subnet} in that range")
    elif not records[wanted].covers_below:
        message = f"names below {wanted} lead nowhere, and web services would be found there"
        yield Finding((*at, "record"), message, f"covers_below: true in record {wanted}")


def storage_is_exported_to_nodes(site: Site) -> Iterator[Finding]:
    """Every node writes to the dataset, and as root: volumes belong to whoever runs in pods."""
    ours = site.kubernetes.storage if site.kubernetes else None
    at: Location = ("kubernetes", "storage", "dataset")
    if ours is None:
        return
    known = {name: data for name, data in site.nas.datasets.items() if data.for_ is None} if site.nas else {}
    if ours.dataset not in known:
        fix = suggest(ours.dataset, known) or "add it to nas.datasets"
        yield Finding(at, f"the NAS has no dataset {ours.dataset} for the cluster", fix)
        return
    exports = [export for export in known[ours.dataset].exports if not export.read_only and export.squash == "none"]
    try:
        allowed = ranges(tuple(client for export in exports for client in export.clients), site.network.subnets)
    except ValueError:
        return  # reported by the checks of nas
    for machine in kubernetes.nodes(site):
        if machine.interfaces and not any(leg.address in one for one in allowed for leg in machine.interfaces.values()):
            message = f"{ours.dataset} is not exported to {machine.name} for writing with squash: none"
            yield Finding(at, message, f"add {{clients: [{next(iter(machine.interfaces))}], squash: none}} to its exports")


def artifacts_can_be_had(site: Site) -> Iterator[Finding]:
    """Only what was proven is offered."""
    if site.kubernetes and site.kubernetes.source.kind == "packages":
        message = f"{site.kubernetes.source.kind} is planned, but nothing fetches from there yet"
        yield Finding(("kubernetes", "source", "kind"), message, "kind: modules, which is built here, or a mirror")
    if site.kubernetes and site.kubernetes.source.kind == "modules":
        wanted = versions.parse(site.kubernetes.version)
        pinned = RELEASES[wanted.line].version
        if pinned != wanted:
            fix = f'version: "{str(pinned)[1:]}", or a mirror that has {wanted}'
            yield Finding(("kubernetes", "version"), f"what is pinned of {wanted.line} is {pinned}, and not {wanted}", fix)


CHECKS: tuple[Check, ...] = (
    nodes_belong_to_a_cluster,
    control_planes_can_agree,
    nodes_have_one_part,
    nodes_have_what_they_need,
    nodes_are_on_one_wire,
    endpoint_leads_to_the_api,
    ranges_are_apart,
    ranges_have_room,
    load_balancers_are_in_their_subnet,
    ingress_has_a_name,
    storage_is_exported_to_nodes,
    artifacts_can_be_had,
)

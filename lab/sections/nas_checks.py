"""Checks of section `nas` against the rest of the site."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from itertools import combinations
from typing import TYPE_CHECKING

from lab.errors import suggest
from lab.sections.nas import Nas, networks, unknown_name
from lab.site_checks import Check, Finding
from lab.site_yaml import Location

if TYPE_CHECKING:
    from lab.site import Site

BOOKKEEPING = 32  # one part in so many of a pool goes to its own tables; the role counts the same


def nas_machine(site: Site) -> str | None:
    """The one machine of group nas, if there is exactly one."""
    names = [name for name, machine in site.machines.items() if "nas" in machine.groups]
    return names[0] if len(names) == 1 else None


def clients_of(nas: Nas) -> Iterator[tuple[Location, str, str]]:
    """(where, dataset, client) for everyone who may use anything."""
    for name, dataset in nas.datasets.items():
        at: Location = ("nas", "datasets", name)
        for index, export in enumerate(dataset.exports):
            yield from (((*at, "exports", index, "clients", place), name, client) for place, client in enumerate(export.clients))
        if dataset.share:
            yield from (((*at, "share", "clients", place), name, client) for place, client in enumerate(dataset.share.clients))


def subnet_of(site: Site, client: str) -> str | None:
    """The subnet a client is or lies in."""
    if client in site.network.subnets:
        return client
    try:
        wanted = IPv4Network(client)
    except ValueError:
        return None
    return next((name for name, subnet in site.network.subnets.items() if wanted.subnet_of(subnet.cidr)), None)


def nas_is_one_machine(site: Site) -> Iterator[Finding]:
    """A site with the section has a machine to put it on."""
    names = [name for name, machine in site.machines.items() if "nas" in machine.groups]
    if site.nas and not names:
        yield Finding(("nas",), "no machine is in group nas", "add nas to the groups of the machine that shall have the disks")
    for name in names[1:] if site.nas else ():
        message = f"{names[0]} is in group nas already, and the section is about one machine"
        yield Finding(("machines", name, "groups"), message, "take it out of the group")


def pools_have_a_place(site: Site) -> Iterator[Finding]:
    """A pool's disk exists, no two pools share one, and a container has folders only."""
    machine = site.machines.get(nas_machine(site) or "")
    if not site.nas or machine is None:
        return
    seen: dict[str, str] = {}
    for name, pool in site.nas.pools.items():
        at: Location = ("nas", "pools", name)
        key = "disk" if pool.disk else "device" if pool.device else "folder"
        place = str(getattr(pool, key))
        disks = [disk.name for disk in machine.disks]
        if key != "folder" and machine.platform.kind == "container":
            fix = f"folder: /srv/pools/{name}, without filesystem; or let {machine.name} be a vm"
            yield Finding((*at, key), f"{machine.name} is a container and has no disks of its own", fix)
        elif pool.disk and pool.disk not in disks:
            yield Finding(
                (*at, key), f"{machine.name} has no disk {pool.disk}", suggest(pool.disk, disks) or "add it to the machine's disks"
            )
        elif place in seen:
            yield Finding((*at, key), f"{place} is pool {seen[place]} already", "another one, or one pool for both")
        seen.setdefault(place, name)


def pools_hold_their_datasets(site: Site) -> Iterator[Finding]:
    """Datasets are in a pool that exists, is large enough and can do what they ask."""
    if not site.nas:
        return
    machine = site.machines.get(nas_machine(site) or "")
    for name, dataset in site.nas.datasets.items():
        at: Location = ("nas", "datasets", name)
        pool = site.nas.pools.get(dataset.pool)
        if pool is None:
            yield Finding((*at, "pool"), f"there is no pool {dataset.pool}", suggest(dataset.pool, site.nas.pools))
        elif pool.filesystem == "xfs" and any(dataset.snapshots.model_dump().values()):
            fix = "remove snapshots, or put it in a pool of lvm or btrfs"
            yield Finding((*at, "snapshots"), f"pool {dataset.pool} is xfs, which has no snapshots", fix)
    for name, pool in site.nas.pools.items():
        disks = {disk.name: disk.size_gib for disk in machine.disks} if machine else {}
        size = disks.get(pool.disk or "", 0.0) or (machine.disk_gib if machine and pool.folder else 0.0)
        asked = sum(dataset.size_gib for dataset in site.nas.datasets.values() if dataset.pool == name)
        room = size - size / BOOKKEEPING
        if size and asked > room:
            of = f"disk {pool.disk}" if pool.disk else "the machine's own disk"
            message = f"its datasets ask for {asked:g} GiB, {of} of {size:g} GiB has room for {room:g}"
            yield Finding(("nas", "pools", name), message, f"take {asked - room:.3g} GiB off their sizes, or a larger disk")


def owners_are_known(site: Site) -> Iterator[Finding]:
    """An owner that is a name is someone."""
    if not site.nas:
        return
    known = [user.name for user in site.nas.users]
    for name, dataset in site.nas.datasets.items():
        for key in ("owner", "group"):
            owner = getattr(dataset, key)
            if isinstance(owner, str) and owner not in known:
                yield Finding(("nas", "datasets", name, key), *unknown_name(owner, known))


def clients_are_in_the_lab(site: Site) -> Iterator[Finding]:
    """A client is, or lies in, a subnet, and the router lets that subnet through to the NAS."""
    machine = site.machines.get(nas_machine(site) or "")
    for location, _, client in clients_of(site.nas) if site.nas else ():
        subnet = subnet_of(site, client)
        if subnet is None:
            is_range = client.replace(".", "").replace("/", "").isdigit()
            message = f"{client} lies outside every subnet of the lab" if is_range else f"there is no subnet {client}"
            yield Finding(location, message, suggest(client, site.network.subnets))
        elif machine and machine.interfaces and not {subnet, *site.network.subnets[subnet].reach} & set(machine.interfaces):
            near = next(iter(machine.interfaces))
            message = f"subnet {subnet} may not open connections to {machine.name}, which is in {' and '.join(machine.interfaces)}"
            yield Finding(location, message, f"add {near} to network.subnets.{subnet}.reach, or leave {subnet} out here")


def exports_do_not_disagree(site: Site) -> Iterator[Finding]:
    """One client is told one thing about one dataset."""
    for name, dataset in site.nas.datasets.items() if site.nas else ():
        for (_, one), (index, other) in combinations(enumerate(dataset.exports), 2):
            try:
                met = [
                    (mine, theirs)
                    for mine in networks(one.clients, site.network.subnets)
                    for theirs in networks(other.clients, site.network.subnets)
                    if mine.overlaps(theirs)
                ]
            except ValueError:
                continue  # reported by clients_are_in_the_lab
            if met:
                shared = max(met[0], key=lambda network: network.prefixlen)
                same = (one.squash, one.read_only) == (other.squash, other.read_only)
                message = f"{shared} is a client of {name} already" + ("" if same else ", with other options")
                yield Finding(("nas", "datasets", name, "exports", index, "clients"), message, "leave it in one of the two")


def users_are_one_each(site: Site) -> Iterator[Finding]:
    """Users have a name and a number of their own, also beside administrators; shares name known ones, once."""
    if not site.nas:
        return
    administrators = {user.name for user in site.users}
    names: set[str] = set()
    numbers: dict[int, str] = {}
    for index, user in enumerate(site.nas.users):
        at: Location = ("nas", "users", index)
        if user.name in administrators:
            yield Finding((*at, "name"), f"{user.name} is an administrator, whose account has a login", "choose another name")
        elif user.name in names:
            yield Finding((*at, "name"), f"{user.name} stands in the list already", "remove one of the two")
        if user.uid in numbers and user.name not in names:
            fix = f"a free one is {max(numbers) + 1}"
            yield Finding((*at, "uid"), f"{user.uid} belongs to {numbers[user.uid]} already", fix)
        names.add(user.name)
        numbers.setdefault(user.uid, user.name)
    for name, dataset in site.nas.datasets.items():
        given = dataset.share.users if dataset.share else ()
        for place, user_name in enumerate(given):
            where: Location = ("nas", "datasets", name, "share", "users", place)
            if user_name not in names:
                yield Finding(where, f"there is no user {user_name} in nas.users", suggest(user_name, names))
            elif user_name in given[:place]:
                yield Finding(where, f"{user_name} stands in the list already", "remove one of the two")


def mounts_can_be_done(site: Site) -> Iterator[Finding]:
    """Who mounts is a client with a kernel of its own, to whom the dataset is exported."""
    for index, mount in enumerate(site.nas.mounts if site.nas else ()):
        assert site.nas  # noqa: S101 - there are mounts
        at: Location = ("nas", "mounts", index)
        machine, dataset = site.machines.get(mount.machine), site.nas.datasets.get(mount.dataset)
        clients = [name for name, other in site.machines.items() if "client" in other.groups]
        if machine is None or mount.machine not in clients:
            yield Finding((*at, "machine"), f"there is no machine {mount.machine} in group client", suggest(mount.machine, clients))
        elif machine.platform.kind == "container":
            message = f"{mount.machine} is a container: its kernel is another machine's and mounts no NFS"
            yield Finding((*at, "machine"), message, "let it be a vm, or remove this mount")
        if dataset is None:
            yield Finding((*at, "dataset"), f"there is no dataset {mount.dataset}", suggest(mount.dataset, site.nas.datasets))
        elif machine is not None:
            allowed = [client for export in dataset.exports for client in export.clients if subnet_of(site, client)]
            if not any(
                interface.address in net
                for net in networks(tuple(allowed), site.network.subnets)
                for interface in machine.interfaces.values()
            ):
                message = f"{mount.dataset} is not exported to {mount.machine}"
                yield Finding(at, message, f"add {next(iter(machine.interfaces))} to the clients of one of its exports")


CHECKS: tuple[Check, ...] = (
    nas_is_one_machine,
    pools_have_a_place,
    pools_hold_their_datasets,
    owners_are_known,
    clients_are_in_the_lab,
    exports_do_not_disagree,
    users_are_one_each,
    mounts_can_be_done,
)

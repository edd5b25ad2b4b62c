"""Roles nas and nas_client: what is kept, and who may use it."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import collapse_addresses

from lab.inventory.common import Variables, secret
from lab.sections.nas import Dataset, Nas, networks
from lab.site import Site

NFS, SMB = 2049, 445


def path(name: str) -> str:
    """Where a dataset is mounted on the NAS, and what clients mount."""
    return f"/srv/nas/{name}"


def nas(site: Site, secrets: Mapping[str, str], machine: str) -> Variables:
    """Role nas."""
    ours = site.nas
    if ours is None:
        return {}
    return {
        "nas_pools": [pool(site, ours, machine, name) for name in ours.pools],
        "nas_datasets": [dataset(site, ours, name, data) for name, data in ours.datasets.items()],
        "nas_users": [{"name": user.name, "uid": user.uid, "password": secret(site, secrets, user.password.secret)} for user in ours.users],
    }


def pool(site: Site, ours: Nas, machine: str, name: str) -> Variables:
    """A pool with its device; the Nth further disk of a machine is /dev/lab/diskN, whatever its platform calls it."""
    data = ours.pools[name]
    disks = [disk.name for disk in site.machines[machine].disks]
    device = f"/dev/lab/disk{disks.index(data.disk) + 1}" if data.disk else data.device
    return {"name": name, "kind": data.kind, "path": data.folder or device}


def dataset(site: Site, ours: Nas, name: str, data: Dataset) -> Variables:
    """A dataset with numbers for names and ranges for subnets."""
    mode = int(data.mode, 8)
    share = data.share
    needs_group = share is not None and (not share.read_only or mode & 0o005 != 0o005)
    return {
        "name": name,
        "pool": data.pool,
        "path": path(name),
        "size_mib": data.size_mib,
        "owner": ours.number(data.owner),
        "group": ours.number(data.group),
        "mode": data.mode,
        "snapshots": data.snapshots.model_dump(),
        "exports": [
            {"clients": ranges(site, export.clients), "squash": export.squash, "read_only": export.read_only} for export in data.exports
        ],
        "share": {
            "clients": ranges(site, share.clients) if share else [],
            "users": list(share.users) if share else [],
            "group": f"nas-{name}" if needs_group else "",
            "read_only": share.read_only if share else False,
        },
    }


def ranges(site: Site, clients: tuple[str, ...]) -> list[str]:
    """Clients as ranges, each once."""
    return list(dict.fromkeys(map(str, networks(clients, site.network.subnets))))


def merged(site: Site, clients: tuple[str, ...]) -> list[str]:
    """Clients as ranges that do not meet: a set of nftables refuses those that do."""
    return list(map(str, collapse_addresses(networks(clients, site.network.subnets))))


def firewall(site: Site) -> list[Variables]:
    """What the NAS lets in: each service from the clients of anything it serves."""
    datasets = site.nas.datasets.values() if site.nas else ()
    nfs = tuple(client for data in datasets for export in data.exports for client in export.clients)
    smb = tuple(client for data in datasets if data.share for client in data.share.clients)
    wanted = (("NFS", NFS, nfs), ("SMB", SMB, smb))
    return [
        {"comment": comment, "protocol": "tcp", "ports": [port], "sources": merged(site, clients), "interfaces": []}
        for comment, port, clients in wanted
        if clients
    ]


def client(site: Site, machine: str) -> Variables:
    """Role nas_client."""
    if site.nas is None:
        return {}
    server = next(name for name, other in site.machines.items() if "nas" in other.groups)
    mounts = [mount for mount in site.nas.mounts if mount.machine == machine]
    return {
        "nas_client_mounts": [
            {"server": f"{server}.{site.domain}", "export": path(mount.dataset), "path": mount.path, "read_only": mount.read_only}
            for mount in mounts
        ]
    }

"""Roles backup_server and backup_client: what of every machine is copied, and where to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.inventory import kubernetes, nas, openstack
from lab.inventory.common import SSH, Variables, authority, secret
from lab.inventory.openstack_services.glance import STORE as IMAGES
from lab.sections.backup import AUTHORITY, OPENSTACK, Source, machine_of, named_sources
from lab.site import Site

COPY_OF_AUTHORITY = "/srv/controller/ca"  # on the backup machine
# What these programs hold open or write to while their files are replaced stands still meanwhile.
DUMPS = "/var/backups/openstack"
GIT_PATHS, GIT_UNITS = ["/srv/git", "/etc/ssh/ssh_host_*"], ["fcgiwrap.socket", "fcgiwrap.service", "nginx.service"]


def server(site: Site, secrets: Mapping[str, str], _: str) -> Variables:
    """Role backup_server; nothing where the site has the machine but no section yet."""
    if site.backup is None:
        return {}
    return {
        "backup_server_sources": [{"machine": machine, "source": source["name"]} for machine, source in sources(site)],
        "backup_server_password": secret(site, secrets, site.backup.password.secret),
        "backup_server_keep": site.backup.keep.model_dump(),
        "backup_server_fresh_within_hours": site.backup.fresh_within_hours,
    }


def client(site: Site, secrets: Mapping[str, str], name: str) -> Variables:
    """Role backup_client on a machine with something to copy; nothing on others. The backup machine is a client of itself."""
    own = [source for machine, source in sources(site) if machine == name]
    keeper = machine_of(site)
    if site.backup is None or keeper is None or not own:
        return {}
    return {
        "backup_client_server": keeper,
        "backup_client_server_address": address_for(site, keeper, name),
        "backup_client_password": secret(site, secrets, site.backup.password.secret),
        "backup_client_schedule": site.backup.schedule,
        "backup_client_copies": [{"from": str(authority(site)), "to": COPY_OF_AUTHORITY}] if name == keeper else [],
        "backup_client_sources": own,
    }


def sources(site: Site) -> list[tuple[str, Variables]]:
    """Every source with its machine; none without the section."""
    if site.backup is None:
        return []
    extra = {source.name: source for found in site.backup.sources.values() for source in found}
    return [(machine, described(site, name, extra.get(name))) for machine, name, _ in named_sources(site)]


def described(site: Site, name: str, extra: Source | None) -> Variables:
    """One source as role backup_client and whoever restores it see it."""
    if extra is not None:
        return source(name, list(extra.paths), exclude=list(extra.exclude), before=[list(words) for words in extra.before])
    if name == "git":
        # What was restored has the keys and rights of its day; those of the machine's role count.
        return source(name, GIT_PATHS, stop_for_restore=GIT_UNITS, after_restore=[["/usr/local/sbin/git-server-apply", "--force"]])
    if name == kubernetes.SOURCE:
        # A snapshot that etcd makes itself: its files are of no use to anyone while it writes them.
        save, restore = ["/usr/local/sbin/kubernetes-save"], ["/usr/local/sbin/kubernetes-restore"]
        return source(name, [kubernetes.SAVED], before=[save], after_restore=[restore])
    if name == AUTHORITY:
        return source(name, [COPY_OF_AUTHORITY])
    if name in OPENSTACK:
        return of_the_cloud(site, name)
    path = nas.path(name.removeprefix("nas-"))
    return source(name, [path], exclude=[f"{path}/lost+found"])


def of_the_cloud(site: Site, name: str) -> Variables:
    """What of a cloud cannot be made again: databases as one moment of all of them, keys of tokens and credentials, and images."""
    units, databases = openstack.what_it_keeps(site)
    if name == "openstack-keys":
        return source(name, ["/etc/keystone/fernet-keys", "/etc/keystone/credential-keys"], stop_for_restore=["keystone"])
    if name == "openstack-images":
        return source(name, [IMAGES], stop_for_restore=["glance-api"])
    # A dump that was cut off never takes the place of a whole one.
    dump = f'umask 077; mkdir -p {DUMPS}; mariadb-dump --single-transaction --databases "$@" > {DUMPS}/new; mv {DUMPS}/new {DUMPS}/all.sql'
    return source(
        name,
        [DUMPS],
        before=[["sh", "-ec", dump, "sh", *databases]],
        stop_for_restore=units,
        after_restore=[["sh", "-ec", f"mariadb < {DUMPS}/all.sql"]],
    )


def source(name: str, paths: list[str], **more: Any) -> Variables:
    """A source with everything that may be left out filled in."""
    return {"name": name, "paths": paths, "exclude": [], "before": [], "stop_for_restore": [], "after_restore": []} | more


def clients(site: Site) -> list[str]:
    """Machines with something to copy, in the order of the site."""
    found = {machine for machine, _ in sources(site)}
    return [name for name in site.machines if name in found]


def address_for(site: Site, keeper: str, name: str) -> str:
    """Where a machine reaches the backup machine: on a wire they share, else at its first address."""
    legs = site.machines[keeper].interfaces
    shared = [subnet for subnet in legs if subnet in site.machines[name].interfaces or name == site.network.router]
    subnet = shared[0] if shared else next(iter(legs))
    return str(legs[subnet].address)


def firewall(site: Site) -> list[Variables]:
    """The backup machine lets its clients, and nobody else besides administrators, open SSH connections."""
    keeper = machine_of(site)
    addresses = [str(address) for name in clients(site) if name != keeper for address in addresses_of(site, name)]
    if not addresses:
        return []  # an empty list of sources would mean anyone
    return [{"comment": "backups", "protocol": "tcp", "ports": [SSH], "sources": addresses, "interfaces": []}]


def addresses_of(site: Site, name: str) -> list[Any]:
    """Every address a machine may come from."""
    if name == site.network.router:
        return [subnet.gateway for subnet in site.network.subnets.values()]
    return [interface.address for interface in site.machines[name].interfaces.values()]

"""Section `backup` of a site file: what is copied, when, and how long copies are kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from lab.errors import suggest
from lab.site_checks import Check, Finding
from lab.site_fields import Name, refuse, shown
from lab.site_model import Model, SecretReference
from lab.site_yaml import Location

if TYPE_CHECKING:
    from lab.site import Site

GROUP = "backup"
SPARE = "spare"
AUTHORITY = "authority"  # what the controller signs certificates with; the backup machine keeps a copy
DATABASES = "openstack-databases"
OPENSTACK = (DATABASES, "openstack-keys", "openstack-images")  # of its control machine
VIRTUAL = frozenset({"container", "vm", "ovirt", "openstack"})  # kinds of platforms whose machines share one computer, or may


def _path(value: str) -> str:
    if not value.startswith("/"):
        refuse(f"{shown(value)} is not an absolute path", f"did you mean /{value.removeprefix('./')}?")
    if value == "/" or ".." in value.split("/") or not value.isprintable():
        refuse(f"{shown(value)} is no path to copy", "name folders and files, such as /srv/data")
    return value


def _some(values: tuple[str, ...]) -> tuple[str, ...]:
    # Not by a length: pydantic would count only what is right, and call a list with one mistake empty.
    if not values:
        refuse("must not be empty")
    return values


def _schedule(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9*:,./~ -]{2,80}", value):
        refuse(f"{shown(value)} is not a time as systemd.time(7) writes it", 'write it as "*-*-* 02:30"')
    return value


AbsolutePath = Annotated[str, AfterValidator(_path)]
Schedule = Annotated[str, AfterValidator(_schedule)]
Count = Annotated[int, Field(ge=0, le=1000)]
Words = Annotated[tuple[str, ...], AfterValidator(_some)]
Paths = Annotated[tuple[AbsolutePath, ...], AfterValidator(_some)]


class Keep(Model):
    """How many snapshots of each source pruning leaves: the last one of each day, week and month."""

    daily: Count = 7
    weekly: Count = 5
    monthly: Count = 12

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.daily + self.weekly + self.monthly:
            refuse("keeps nothing, so pruning would remove every snapshot", "give daily, weekly or monthly a number")
        return self


class Source(Model):
    """Something on a machine that is copied besides what its roles say themselves."""

    name: Name
    paths: Paths = Field(description="patterns are filled in; one that matches nothing is an error")
    exclude: tuple[str, ...] = Field((), description="patterns of what is left out, as restic writes them")
    before: tuple[Words, ...] = Field((), description="commands that make a consistent copy first, each a list of words")


class Backup(Model):
    """The lab's backups, on a machine of group backup."""

    password: SecretReference = Field(description="without it no copy can be read; keep it elsewhere too")
    schedule: Schedule = "*-*-* 02:30"
    keep: Keep = Keep()
    fresh_within_hours: Annotated[int, Field(ge=1, le=10000)] = Field(26, description="a source without a younger copy is reported")
    sources: dict[str, tuple[Source, ...]] = Field(default_factory=dict, description="by machine")


def machine_of(site: Site) -> str | None:
    """The machine that keeps the copies."""
    return next((name for name, machine in site.machines.items() if GROUP in machine.groups), None)


def named_sources(site: Site) -> Iterator[tuple[str, str, Location]]:
    """Machine, name and place of every source of a site with the section: those that follow from other sections first."""
    keeper, git, nas = machine_of(site), _member(site, "git"), _member(site, "nas")
    cluster = _member(site, "kubernetes_control_plane")
    if keeper:
        yield keeper, AUTHORITY, (GROUP,)
    if git and getattr(site, "git", None) is not None:
        yield git, "git", ("git",)
    if cluster and getattr(site, "kubernetes", None) is not None:
        yield cluster, "kubernetes", ("kubernetes",)
    if nas and (section := getattr(site, "nas", None)) is not None:
        for name, dataset in section.datasets.items():
            if dataset.backup:
                yield nas, f"nas-{name}", ("nas", "datasets", name)
    if (control := _member(site, "openstack_control")) and getattr(site, "openstack", None) is not None:
        yield from ((control, name, ("openstack",)) for name in OPENSTACK)
    for machine, sources in site.backup.sources.items() if site.backup else ():
        for index, source in enumerate(sources):
            yield machine, source.name, (GROUP, "sources", machine, index, "name")


def _member(site: Site, group: str) -> str | None:
    return next((name for name, machine in site.machines.items() if group in machine.groups), None)


def keeper_exists(site: Site) -> Iterator[Finding]:
    """Exactly one machine keeps the copies."""
    found = [name for name, machine in site.machines.items() if GROUP in machine.groups]
    if site.backup and not found:
        fix = "add backup to the groups of the one that shall keep the copies, or remove the section"
        yield Finding((GROUP,), "no machine is in group backup", fix)
    for name in found[1:]:
        message = f"{name} is in group backup, but so is {found[0]}, and there can be only one"
        yield Finding(("machines", name, "groups"), message, "take it out of the group")


def sources_are_on_machines(site: Site) -> Iterator[Finding]:
    """Sources are on machines that there are, all the time."""
    for name in site.backup.sources if site.backup else ():
        if name not in site.machines:
            yield Finding((GROUP, "sources", name), f"there is no machine {name}", suggest(name, site.machines))
        elif SPARE in site.machines[name].groups:
            yield Finding((GROUP, "sources", name), f"{name} stands only during a drill", "name another machine, or remove it")


def source_names_are_unique(site: Site) -> Iterator[Finding]:
    """A source's name is the tag of its snapshots, by which it is found again."""
    if not site.backup:
        return
    owners: dict[str, str] = {}
    for machine, name, location in named_sources(site):
        if name in owners:
            yield Finding(location, f"there is a source {name} on {owners[name]} already", "choose another name")
        owners.setdefault(name, machine)


def clients_reach_the_keeper(site: Site) -> Iterator[Finding]:
    """The router lets what is copied through."""
    keeper = machine_of(site)
    if not site.backup or not keeper:
        return
    near = set(site.machines[keeper].interfaces)
    for client in dict.fromkeys(machine for machine, _, _ in named_sources(site)):
        machine = site.machines.get(client)
        if machine is None or client in (keeper, site.network.router) or near & set(machine.interfaces):
            continue
        subnets = [name for name in machine.interfaces if name in site.network.subnets]
        if subnets and not any(near & set(site.network.subnets[name].reach) for name in subnets):
            message = f"{client} is in {' and '.join(subnets)}, from where the router lets nobody to {keeper}, which keeps its copies"
            yield Finding(("network", "subnets", subnets[0], "reach"), message, f"add {next(iter(near), '')} to it")


CHECKS: tuple[Check, ...] = (keeper_exists, sources_are_on_machines, source_names_are_unique, clients_reach_the_keeper)


def keeper_shares_a_computer(site: Site) -> Iterator[Finding]:
    """Worth a warning: one broken hypervisor would take the copies along with what they are copies of.

    A lab without any machine of metal is a rehearsal: it is on one computer as a whole, and says so.
    """
    keeper = machine_of(site)
    if not site.backup or not keeper or all(machine.platform.kind != "metal" for machine in site.machines.values()):
        return
    kind = site.machines[keeper].platform.kind
    beside = {client: None for client, _, _ in named_sources(site) if client != keeper and client in site.machines}
    sharing = [name for name in beside if kind in VIRTUAL and site.machines[name].platform.kind == kind]
    if sharing:
        message = f"{keeper} keeps the copies of {', '.join(sharing)} on the same platform ({kind}): one broken computer takes both"
        yield Finding(("machines", keeper, "platform", "kind"), message, "keep copies on a machine of metal")


WARNINGS: tuple[Check, ...] = (keeper_shares_a_computer,)

"""Section `openstack` of a site file: a cloud of its own, on machines of the groups openstack_*."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from lab import addressing
from lab.openstack import mtu
from lab.site_fields import HostOrAddress, Name, refuse
from lab.site_model import Model, SecretReference

if TYPE_CHECKING:
    from lab.site import Site
    from lab.site_machines import Machine

CONTROL, NETWORK, COMPUTE = "openstack_control", "openstack_network", "openstack_compute"  # groups of machines
ADMIN, SERVICES = "openstack_admin", "openstack_services"  # names of secrets, unless the site has others
PACKAGED: Literal["2025.1"] = "2025.1"  # what Debian 13 has
OVERLAY_BYTES = mtu.OVERHEAD["geneve"]
SMALLEST_MTU = mtu.MINIMUM


class FloatingRange(Model):
    """The addresses that servers of the cloud may be reached at from outside: host numbers or addresses of the provider's subnet."""

    from_: HostOrAddress = Field(alias="from")
    to: HostOrAddress


class Provider(Model):
    """The lab's subnet that the cloud's routers have a leg in."""

    subnet: str = Field(description="machines of group openstack_network have a leg in it")
    floating: FloatingRange


class Overlay(Model):
    """The networks that the cloud makes by itself, in tunnels between its machines."""

    subnet: str | None = Field(None, description="that tunnels go through; default: the provider's")
    mtu: Annotated[int, Field(ge=SMALLEST_MTU, le=9158)] | None = Field(
        None, description=f"of servers' networks; default: the subnet's, less the {OVERLAY_BYTES} bytes of a tunnel"
    )


class Volumes(Model):
    """Disks of servers that outlive them, and what keeps them."""

    backend: Literal["ceph", "nfs"] = Field(
        "ceph",
        description="ceph: a small store of one copy on the control machine, which asks nothing of kernels; nfs: a dataset of the NAS",
    )
    size_gib: Annotated[int, Field(ge=2, le=2**14)] = Field(10, description="of ceph: how large its one file may grow")
    dataset: str | None = Field(None, description="of nfs: out of nas.datasets, exported with squash: all")

    @model_validator(mode="after")
    def _place(self) -> Self:
        if self.backend == "nfs" and self.dataset is None:
            refuse("is required for nfs", "one of nas.datasets", "dataset")
        if self.backend == "ceph" and self.dataset is not None:
            refuse("ceph keeps volumes on the control machine, not on the NAS", "remove it, or backend: nfs", "dataset")
        return self


class Flavor(Model):
    """A size of servers."""

    vcpus: Annotated[int, Field(ge=1)] = 1
    memory_mib: Annotated[int, Field(ge=64)]
    disk_gib: Annotated[int, Field(ge=0)] = 1


class Openstack(Model):
    """The cloud: what is where, and how large."""

    release: Literal["2025.1", "2025.2", "2026.1"] = Field(PACKAGED, description="Debian 13 has 2025.1; others come from `repository`")
    repository: str | None = Field(
        None,
        pattern=r"^deb (\[[^\]]*\] )?https?://[^\s@]+ \S+( \S+)+$",
        description="packages of a newer release, as a line of sources.list; its key has to be on the machines, where signed-by says",
    )
    name: Name | None = Field(None, description="host name in the URLs of the cloud; default: its control machine")
    region: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")] = "RegionOne"
    admin_password: SecretReference = Field(SecretReference(secret=ADMIN), description="of user admin")
    services_password: SecretReference = Field(
        SecretReference(secret=SERVICES), description="every service's own passwords are made from it, each for itself"
    )
    workers: Annotated[int, Field(ge=1, le=32)] = Field(1, description="of each API; more for many users")
    provider: Provider
    overlay: Overlay = Overlay()
    volumes: Volumes | None = Field(None, description="disks that outlive servers; without it there are none")
    services: tuple[Literal["heat", "horizon", "swift", "designate"], ...] = Field(
        (), description="that a cloud need not have: stacks, pages for browsers, objects, and names"
    )
    zone: Name = Field("cloud", description="of designate: projects make names below ZONE.DOMAIN; the lab's router asks the cloud for them")
    flavors: dict[Name, Flavor] = Field(default_factory=dict, description="beside those that the checks make for themselves")
    kernel: str | None = Field(
        None,
        pattern=r"^\d+\.\d+\.\d+[A-Za-z0-9.+~-]*$",
        description="release of the kernel that machines of metal stay on, as `uname -r` says it; default: Debian's newest",
    )
    clients: tuple[str, ...] = Field((), description="subnets that may use the APIs; default: all that the router lets through")

    @model_validator(mode="after")
    def _release_has_a_source(self) -> Self:
        if self.release != PACKAGED and self.repository is None:
            refuse(f"Debian 13 has no packages of {self.release}", f"{PACKAGED}, or name a repository that has them", "release")
        if self.release == PACKAGED and self.repository is not None:
            refuse(f"Debian 13 has {PACKAGED} itself", "remove it, or say which release it has", "repository")
        return self


def machines_of(site: Site, group: str) -> list[Machine]:
    """The machines of a group, in the order of the site."""
    return [machine for machine in site.machines.values() if group in machine.groups]


def chassis(site: Site) -> list[Machine]:
    """Machines with a part in the cloud's networks: those that servers run on, and those where their traffic leaves."""
    return [machine for machine in site.machines.values() if {NETWORK, COMPUTE} & set(machine.groups)]


def everyone(site: Site) -> list[Machine]:
    """All machines of the cloud."""
    return [machine for machine in site.machines.values() if {CONTROL, NETWORK, COMPUTE} & set(machine.groups)]


def control_machine(site: Site) -> str | None:
    """The first control machine, where there is one."""
    names = [machine.name for machine in machines_of(site, CONTROL)]
    return names[0] if names else None


def overlay_subnet(ours: Openstack) -> str:
    """The subnet that tunnels go through."""
    return ours.overlay.subnet or ours.provider.subnet


def overlay_mtu(site: Site, ours: Openstack) -> int:
    """How large a packet of a server may be, in bytes."""
    return ours.overlay.mtu or site.network.subnets[overlay_subnet(ours)].mtu - OVERLAY_BYTES


def floating(site: Site, ours: Openstack) -> tuple[IPv4Address, IPv4Address]:
    """First and last of the floating addresses; the provider's subnet has to be one of the site."""
    network = site.network.subnets[ours.provider.subnet].cidr
    return addressing.placed(network, ours.provider.floating.from_), addressing.placed(network, ours.provider.floating.to)

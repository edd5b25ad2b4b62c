"""Section `ovirt` of a site file: the engine, what it manages, and where machines on it keep their disks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from lab.site_fields import InterfaceName, Mac, Name, RelativePath, refuse
from lab.site_model import Model, SecretReference

if TYPE_CHECKING:
    from lab.site import Site
    from lab.site_machines import Machine

ENGINE, HYPERVISOR = "ovirt_engine", "ovirt_hypervisor"  # groups of machines
SIMULATED_USER = "admin@internal"  # also a real engine's first user, where Keycloak was not set up
MANAGEMENT = "ovirtmgmt"  # what an engine calls the network it reaches hypervisors over; it makes and attaches it by itself
# What engine and simulator are made on; the simulated ones are containers, as their networks are namespaces.
PLATFORM_OF: Mapping[str, str] = {"simulator": "container", "standalone": "metal", "self_hosted": "metal"}

# The engine allows no more for the names of a data center or cluster, and less would not be told apart in its search.
EngineName = Annotated[Name, Field(max_length=40)]


class SelfHosted(Model):
    """The VM that a self-hosted engine is, and the storage of its own that it is kept on."""

    dataset: str = Field(description="of the NAS, with `for: ovirt` and nothing else on it")
    appliance_password: SecretReference = Field(description="of root in the engine's VM")
    vcpus: Annotated[int, Field(ge=2)] = 4
    memory_gib: Annotated[float, Field(ge=4)] = 8
    disk_gib: Annotated[int, Field(ge=50)] = 61
    mac: Mac | None = Field(None, description="default: the deployment chooses one")


class Repositories(Model):
    """Where oVirt's packages for real machines come from; see role ovirt_repositories."""

    release_packages: tuple[str, ...] = ("centos-release-ovirt45",)
    copr: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    enabled: tuple[str, ...] = ()


class Engine(Model):
    """What manages hypervisors and VMs."""

    kind: Literal["simulator", "standalone", "self_hosted"] = Field(
        description="simulator: for a rehearsal; standalone: on the machine of group ovirt_engine; self_hosted: a VM on the hypervisors"
    )
    name: Name | None = Field(None, description="its host name; default: its machine. Of a self-hosted engine: a record with its address")
    user: str = Field(SIMULATED_USER, min_length=3, description="who the lab speaks to it as")
    password: SecretReference = Field(description="of that user")
    backend: Literal["auto", "vm", "container"] = Field("auto", description="of a simulator: what its VMs are; auto: a kernel of their own")
    restore_from: RelativePath | None = Field(None, description="a file of engine-backup to begin with, relative to the folder of the site")

    self_hosted: SelfHosted | None = Field(None, description="required with kind: self_hosted")

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        if (self.kind == "self_hosted") != (self.self_hosted is not None):
            message = "required: what the engine's VM is" if self.self_hosted is None else f"says nothing of an engine of kind {self.kind}"
            refuse(
                message,
                "self_hosted: {dataset: ..., appliance_password: {secret: ...}}" if self.self_hosted is None else "remove it",
                "self_hosted",
            )
        if self.kind == "simulator" and self.restore_from is not None:
            refuse("a simulator has no backup of an engine to begin with", "remove it", "restore_from")
        if self.kind == "simulator" and self.user != SIMULATED_USER:
            refuse(f"a simulator knows {SIMULATED_USER} alone", "remove it", "user")
        if self.kind != "simulator" and self.backend != "auto":
            refuse("VMs of a real engine run on its hypervisors", "remove it", "backend")
        if self.kind == "self_hosted" and self.name is None:
            refuse("required: a self-hosted engine is no machine of the site", "the name of a record in network.records", "name")
        return self


class Storage(Model):
    """A storage domain, over NFS."""

    dataset: str = Field(description="of the NAS, with `for: ovirt`")


class Affinity(Model):
    """Machines on oVirt that belong on one hypervisor, or on different ones."""

    machines: tuple[str, ...] = Field(min_length=2)
    rule: Literal["apart", "together"]
    enforcing: bool = Field(True, description="whether a machine rather stays down than breaks it")


class Ovirt(Model):
    """The oVirt of the lab: one engine, one cluster."""

    engine: Engine
    hypervisor_password: SecretReference = Field(description="of root on the hypervisors; the engine installs them with it")
    data_center: EngineName = "lab"
    cluster: EngineName = "lab"
    cpu_type: str | None = Field(None, description="of the cluster, as the engine lists it; default: of the first hypervisor")
    trunk: InterfaceName | None = Field(
        None, description="interface of the hypervisors that carries, tagged, the VLANs of subnets they have no leg in"
    )
    repositories: Repositories = Repositories()
    storage: dict[Name, Storage] = Field(min_length=1, description="storage domains; templates are kept on the first")
    affinity: dict[Name, Affinity] = Field(default_factory=dict)


def machines_of(site: Site, group: str) -> list[Machine]:
    """The machines of a group, in the order of the site."""
    return [machine for machine in site.machines.values() if group in machine.groups]


def hosted(site: Site) -> list[Machine]:
    """The machines that are VMs of this oVirt."""
    return [machine for machine in site.machines.values() if machine.platform.kind == "ovirt"]


def management_subnet(site: Site) -> str | None:
    """The subnet the engine reaches its hypervisors over: that of their first leg."""
    legs = [next(iter(machine.interfaces), None) for machine in machines_of(site, HYPERVISOR)]
    return legs[0] if legs else None


def network_name(site: Site, subnet: str) -> str:
    """A subnet's logical network. On the card it came by, an engine keeps its own network, and no second one fits there untagged."""
    return MANAGEMENT if subnet == management_subnet(site) else subnet


def networks(site: Site) -> list[str]:
    """Subnets that are logical networks: those that hypervisors have legs in, and on a trunk all that are tagged."""
    ours = site.ovirt
    if ours is None:
        return []
    legs = {subnet for machine in machines_of(site, HYPERVISOR) for subnet in machine.interfaces}
    tagged = {name for name, subnet in site.network.subnets.items() if subnet.vlan is not None} if ours.trunk else set()
    return [name for name in site.network.subnets if name in legs | tagged]


def is_tagged(site: Site, subnet: str) -> bool:
    """Whether a network comes over the trunk: no hypervisor has a leg of its own in it."""
    return all(subnet not in machine.interfaces for machine in machines_of(site, HYPERVISOR))


def engine_machine(site: Site) -> str | None:
    """The one machine of group ovirt_engine, if there is exactly one."""
    names = [machine.name for machine in machines_of(site, ENGINE)]
    return names[0] if len(names) == 1 else None


def engine_name(site: Site) -> str:
    """The engine's full host name, which its certificate is for."""
    assert site.ovirt  # noqa: S101 - whoever asks has the section
    return f"{site.ovirt.engine.name or engine_machine(site)}.{site.domain}"

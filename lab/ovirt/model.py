"""What can be wanted of an engine: one frozen class per resource, in plain words and with units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Interface
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from lab.ovirt.model_vms import AffinityGroup, Template, Vm
from lab.ovirt.thing import Mac, Name, Ref, Thing
from lab.things import model


class Range(BaseModel):
    """MAC addresses from and to, both included."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    from_: Mac = Field(alias="from")
    to: Mac


class MacPool(Thing):
    """MAC addresses that VMs get."""

    kind: ClassVar[str] = "mac_pool"
    ranges: tuple[Range, ...] = Field(min_length=1)
    allow_duplicates: bool = False

    def wanted(self) -> dict[str, Any]:
        """The ranges as text."""
        return {"ranges": [f"{item.from_} to {item.to}" for item in self.ranges], "allow_duplicates": self.allow_duplicates}


class DataCenter(Thing):
    """Networks and storage that belong together."""

    kind: ClassVar[str] = "data_center"
    description: str = ""

    def wanted(self) -> dict[str, Any]:
        """Its description."""
        return {"description": self.description}


class Cluster(Thing):
    """Hypervisors that VMs may move between."""

    kind: ClassVar[str] = "cluster"
    data_center: Name
    description: str = ""
    cpu_type: str | None = None
    mac_pool: Name | None = None

    def needs(self) -> list[Ref]:
        """Data center and MAC pool."""
        pool = [Ref("mac_pool", self.mac_pool)] if self.mac_pool else []
        return [Ref("data_center", self.data_center), *pool]

    def wanted(self) -> dict[str, Any]:
        """CPU type and MAC pool only where the site decides them; else the engine does."""
        values = {"data_center": self.data_center, "description": self.description}
        chosen = {"cpu_type": self.cpu_type, "mac_pool": self.mac_pool}
        return values | {key: value for key, value in chosen.items() if value is not None}


class Network(Thing):
    """A logical network, and the clusters it is in."""

    kind: ClassVar[str] = "network"
    data_center: Name
    clusters: tuple[Name, ...] = ()
    vlan: int | None = Field(default=None, ge=1, le=4094)
    mtu: int = Field(default=1500, ge=68, le=65535)
    vm_network: bool = True
    required: bool = False
    description: str = ""

    @property
    def key(self) -> str:
        """Unique in its data center."""
        return f"{self.data_center}/{self.name}"

    def needs(self) -> list[Ref]:
        """Data center and clusters."""
        return [Ref("data_center", self.data_center), *(Ref("cluster", name) for name in self.clusters)]

    def brings(self) -> list[Ref]:
        """A profile of its own name, for VMs to be plugged in."""
        return [Ref("vnic_profile", f"{self.key}/{self.name}")] if self.vm_network else []

    def wanted(self) -> dict[str, Any]:
        """`vlan` is None for untagged. Every cluster that is named has it; others are left alone."""
        clusters = dict.fromkeys(sorted(self.clusters), "required" if self.required else "optional")
        return {
            "vlan": self.vlan,
            "mtu": self.mtu,
            "vm_network": self.vm_network,
            "description": self.description,
            "clusters": clusters,
        }


class VnicProfile(Thing):
    """How a VM's interface is plugged into a network."""

    kind: ClassVar[str] = "vnic_profile"
    data_center: Name
    network: Name
    port_mirroring: bool = False
    description: str = ""

    @property
    def key(self) -> str:
        """Unique in its network."""
        return f"{self.data_center}/{self.network}/{self.name}"

    def needs(self) -> list[Ref]:
        """Its network."""
        return [Ref("network", f"{self.data_center}/{self.network}")]

    def wanted(self) -> dict[str, Any]:
        """What a profile decides."""
        return {"port_mirroring": self.port_mirroring, "description": self.description}


class Hypervisor(Thing):
    """A machine that runs VMs. Its password is only used where the engine adds it, and is never shown."""

    kind: ClassVar[str] = "hypervisor"
    cluster: Name
    address: str
    state: Literal["up", "maintenance"] = "up"
    password: SecretStr | None = None

    def needs(self) -> list[Ref]:
        """Its cluster."""
        return [Ref("cluster", self.cluster)]

    def wanted(self) -> dict[str, Any]:
        """Where it is and what it shall do."""
        return {"address": self.address, "cluster": self.cluster, "state": self.state}


class HypervisorNetwork(Thing):
    """A logical network on an interface of a hypervisor; `address` with prefix, or `dhcp`, or nothing."""

    kind: ClassVar[str] = "hypervisor_network"
    data_center: Name
    hypervisor: Name
    interface: Name
    address: IPv4Interface | Literal["dhcp"] | None = None
    gateway: IPv4Address | None = None

    @property
    def key(self) -> str:
        """A network is on a hypervisor once."""
        return f"{self.hypervisor}/{self.name}"

    def needs(self) -> list[Ref]:
        """Hypervisor and network."""
        return [Ref("hypervisor", self.hypervisor), Ref("network", f"{self.data_center}/{self.name}")]

    def wanted(self) -> dict[str, Any]:
        """Where it is plugged in, and the hypervisor's own address in it."""
        gateway = {"gateway": str(self.gateway)} if self.gateway else {}
        return {"interface": self.interface, "address": str(self.address) if self.address else None} | gateway


class StorageDomain(Thing):
    """An NFS export as storage. `hypervisor` mounts it first."""

    kind: ClassVar[str] = "storage_domain"
    data_center: Name
    hypervisor: Name
    address: str
    path: str = Field(pattern=r"^/")
    type: Literal["data", "iso", "export"] = "data"
    state: Literal["active", "maintenance"] = "active"
    description: str = ""

    def needs(self) -> list[Ref]:
        """The data center it is attached to, and the hypervisor that mounts it."""
        return [Ref("data_center", self.data_center), Ref("hypervisor", self.hypervisor)]

    def wanted(self) -> dict[str, Any]:
        """Where it is, and that it is attached and active."""
        fields = ("data_center", "address", "path", "type", "state", "description")
        return {field: getattr(self, field) for field in fields}


THINGS: tuple[type[Thing], ...] = (
    MacPool,
    DataCenter,
    Cluster,
    Network,
    VnicProfile,
    Hypervisor,
    HypervisorNetwork,
    StorageDomain,
    Template,
    Vm,
    AffinityGroup,
)
"""Every kind in the order in which things are usually made."""

BY_KIND: Mapping[str, type[Thing]] = {thing.kind: thing for thing in THINGS}


def thing(kind: str, values: Mapping[str, Any]) -> Thing:
    """One wanted thing.

    Raises InputError with everything that is wrong with it.
    """
    return model.thing(kind, values, BY_KIND, "an engine")


def parse(wanted: Mapping[str, Iterable[Mapping[str, Any]]]) -> list[Thing]:
    """A whole wanted model, given as kind -> things.

    Raises InputError with everything that is wrong with all of them.
    """
    return model.parse(wanted, BY_KIND, "an engine")

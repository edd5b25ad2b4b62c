"""The part of the site model that says what machines there are and on which platforms."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from lab.site_fields import Address, Group, HostNumber, InterfaceName, Mac, Name, Suite, refuse
from lab.site_model import Model, derived, one_of


class Capacity(Model):
    """What a platform has to give; the machines on it may not ask for more."""

    vcpus: Annotated[int, Field(ge=1)] | None = None
    memory_gib: Annotated[float, Field(gt=0)] | None = None
    disk_gib: Annotated[float, Field(gt=0)] | None = None


class ContainerOptions(Model):
    """Options of all machines that are containers on the controller."""

    suite: Suite = Field("trixie", description="Debian suite of the image")
    apt_cache: bool = Field(False, description="packages are kept on the uplink between machines and runs; see also apt.proxy")
    capacity: Capacity = Capacity()


class VmOptions(Model):
    """Options of all virtual machines on the controller."""

    suite: Suite = Field("trixie", description="Debian suite of the guests' disk")
    capacity: Capacity = Capacity()


class MetalOptions(Model):
    """Options of all machines that exist without us."""

    capacity: Capacity = Capacity()


class OvirtOptions(Model):
    """Options of all machines that are VMs on the site's oVirt, which has as much to give as its hypervisors."""

    suite: Suite = Field("trixie", description="Debian suite of the image that VMs are made from")


class Platforms(Model):
    """Options and capacity by kind of platform."""

    container: ContainerOptions = ContainerOptions()
    vm: VmOptions = VmOptions()
    metal: MetalOptions = MetalOptions()
    ovirt: OvirtOptions = OvirtOptions()


class ContainerPlatform(Model):
    """A systemd container on the controller."""

    kind: Literal["container"]


class VmPlatform(Model):
    """A virtual machine on the controller: a kernel of its own, and disks."""

    kind: Literal["vm"]


class MetalPlatform(Model):
    """A machine that exists without us."""

    kind: Literal["metal"]
    address: Address | None = Field(None, description="how the controller reaches it, when not by its first interface")


class OvirtPlatform(Model):
    """A VM on the oVirt that the site's section `ovirt` describes."""

    kind: Literal["ovirt"]


KINDS = ("container", "vm", "metal", "ovirt")
Platform = Annotated[ContainerPlatform | VmPlatform | MetalPlatform | OvirtPlatform, Field(discriminator="kind")]
MOST_DISKS = 8


class Disk(Model):
    """A further disk; the first of a machine is /dev/lab/disk1 in it, the next /dev/lab/disk2."""

    name: Name
    size_gib: Annotated[float, Field(gt=0)]


class Interface(Model):
    """A machine's leg in a subnet, always with a fixed address."""

    _subnet: str = PrivateAttr("")
    host: HostNumber | None = None
    address: Address = Field(default_factory=derived)
    mac: Mac | None = Field(
        None, description="derived on containers and vms; on metal, absent means that the machine has its address by itself"
    )
    interface: InterfaceName = Field(
        "", description="its name; on containers and vms that of the subnet unless given, on ovirt eth0, eth1 and so on"
    )

    @property
    def subnet(self) -> str:
        """The subnet it is in: its key in the machine's `interfaces`."""
        return self._subnet

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        one_of(self, "host", "address")
        return self


class Machine(Model):
    """Anything with an address that we manage."""

    _name: str = PrivateAttr("")
    _address: Any = PrivateAttr(None)
    platform: Platform
    groups: tuple[Group, ...] = ()
    vcpus: Annotated[int, Field(ge=1)] = 1
    memory_gib: Annotated[float, Field(gt=0)] = 0.5
    disk_gib: Annotated[float, Field(gt=0)] = 4.0
    disks: tuple[Disk, ...] = Field((), max_length=MOST_DISKS, description="further disks; on vm only")
    interfaces: dict[str, Interface] = Field(default_factory=dict, description="by subnet; the router has none, it is in every subnet")

    @property
    def name(self) -> str:
        """Its key in `machines`."""
        return self._name

    @property
    def address(self) -> IPv4Address:
        """Where the controller reaches it."""
        address: IPv4Address = self._address
        return address

    @model_validator(mode="after")
    def _name_parts(self) -> Self:
        for subnet, interface in self.interfaces.items():
            interface._subnet = subnet
        return self

    @model_validator(mode="after")
    def _disks_can_be_given(self) -> Self:
        if self.disks and self.platform.kind != "vm":
            refuse(f"platform {self.platform.kind} gives a machine no further disks", "remove them, or let it be a vm", "disks")
        return self

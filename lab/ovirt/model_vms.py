"""What can be wanted of VMs: templates, the VMs themselves, what their first boot is told, and where they may run together."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lab.ovirt.thing import Mac, Name, Ref, Sha256, Thing


class Template(Thing):
    """A template made from an image file: uploaded, compared, turned into a template."""

    kind: ClassVar[str] = "template"
    cluster: Name
    storage_domain: Name
    image: Path
    sha256: Sha256 | None = None
    memory_mib: int = Field(default=1024, ge=256)
    vcpus: int = Field(default=1, ge=1)
    replace: bool = False

    def needs(self) -> list[Ref]:
        """Cluster and storage."""
        return [Ref("cluster", self.cluster), Ref("storage_domain", self.storage_domain)]

    def wanted(self) -> dict[str, Any]:
        """The image it is made from, as soon as that is known: in check mode the image may still have to be built."""
        return {"cluster": self.cluster} | ({"sha256": self.sha256} if self.sha256 else {})


class Nic(BaseModel):
    """A VM's interface; `network` and `profile` name where it is plugged in, the profile as the network if not given."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Name
    network: Name
    profile: Name | None = None
    mac: Mac | None = None

    @property
    def plugged(self) -> str:
        """`network/profile`."""
        return f"{self.network}/{self.profile or self.network}"


class Disk(BaseModel):
    """A disk beside the one of the template."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Name
    size_gib: int = Field(ge=1)
    storage_domain: Name


class GuestAddress(BaseModel):
    """A static address in the guest. `interface` is the name the guest's kernel gives: the engine tells it no MAC to find it by."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    interface: Name
    address: IPv4Interface
    gateway: IPv4Address | None = None


class CloudInit(BaseModel):
    """What the first boot of a VM is told.

    `script` is appended to the engine's own cloud-config as text, so a top-level key that the engine writes too would be there twice,
    and the last one would win silently: such keys are refused.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    hostname: str
    addresses: tuple[GuestAddress, ...] = ()
    dns_servers: tuple[IPv4Address, ...] = ()
    dns_search: tuple[str, ...] = ()
    user: str | None = None
    authorized_keys: tuple[str, ...] = ()
    script: str = ""
    TAKEN: ClassVar[tuple[str, ...]] = ("runcmd", "user", "password", "chpasswd", "ssh_pwauth", "disable_root", "output", "timezone")

    @model_validator(mode="after")
    def no_key_twice(self) -> CloudInit:
        """Refuses keys that the engine writes itself."""
        for line in self.script.splitlines():
            key = line.partition(":")[0]
            if key in self.TAKEN:
                raise ValueError(f"{key}: is written by the engine itself; use bootcmd, write_files or users in the script")
        return self


class Vm(Thing):
    """A VM from a template."""

    kind: ClassVar[str] = "vm"
    data_center: Name
    cluster: Name
    template: Name
    memory_mib: int = Field(ge=256)
    vcpus: int = Field(ge=1)
    disk_gib: int | None = Field(default=None, ge=1, description="of the disk it boots from; left out, as large as the template's")
    state: Literal["running", "stopped"] = "running"
    description: str = ""
    nics: tuple[Nic, ...] = ()
    disks: tuple[Disk, ...] = ()
    cloud_init: CloudInit | None = None

    def needs(self) -> list[Ref]:
        """Cluster, template, profiles, and storage of its further disks."""
        profiles = [Ref("vnic_profile", f"{self.data_center}/{nic.plugged}") for nic in self.nics]
        storage = sorted({disk.storage_domain for disk in self.disks})
        parts = [Ref("cluster", self.cluster), Ref("template", self.template)]
        return parts + profiles + [Ref("storage_domain", name) for name in storage]

    def wanted(self) -> dict[str, Any]:
        """Hardware, state and, for the guest, what cannot be told a second time: its name and addresses."""
        values: dict[str, Any] = {key: getattr(self, key) for key in ("cluster", "template", "memory_mib", "vcpus", "state", "description")}
        values["nics"] = {nic.name: {"plugged": nic.plugged} | ({"mac": nic.mac} if nic.mac else {}) for nic in self.nics}
        values["disks"] = {disk.name: {"size_gib": disk.size_gib, "storage_domain": disk.storage_domain} for disk in self.disks}
        if self.disk_gib is not None:
            values["disk_gib"] = self.disk_gib
        if self.cloud_init:
            values["hostname"] = self.cloud_init.hostname
            values["addresses"] = {item.interface: str(item.address) for item in self.cloud_init.addresses}
        return values


class AffinityGroup(Thing):
    """VMs that belong on one hypervisor, or on different ones."""

    kind: ClassVar[str] = "affinity_group"
    cluster: Name
    vms: tuple[Name, ...]
    rule: Literal["apart", "together"]
    enforcing: bool = True
    description: str = ""

    @property
    def key(self) -> str:
        """Unique in its cluster."""
        return f"{self.cluster}/{self.name}"

    def needs(self) -> list[Ref]:
        """Cluster and VMs."""
        return [Ref("cluster", self.cluster), *(Ref("vm", name) for name in self.vms)]

    def wanted(self) -> dict[str, Any]:
        """The rule and whom it is for."""
        return {"rule": self.rule, "enforcing": self.enforcing, "vms": sorted(self.vms), "description": self.description}

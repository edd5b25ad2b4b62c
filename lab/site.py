"""The model of site.yml and `load`, which returns a checked and resolved Site or says everything that is wrong at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from lab import addressing, secrets, site_checks, site_messages, site_yaml
from lab.errors import SiteError
from lab.sections.backup import Backup
from lab.sections.git import Git
from lab.sections.kubernetes import Kubernetes
from lab.sections.nas import Nas
from lab.sections.openstack import Openstack
from lab.sections.ovirt import Ovirt
from lab.site_fields import (
    GROUPS,
    Address,
    Domain,
    HostNumber,
    HostOrAddress,
    InterfaceName,
    Mac,
    MachineName,
    Name,
    NetworkRange,
    ProxyUrl,
    PublicKey,
    RelativePath,
    Server,
    SubnetName,
    TimeZone,
    UplinkAddress,
    UserName,
    refuse,
)
from lab.site_machines import Machine, Platforms
from lab.site_model import Model, SecretReference, derived, one_of

__all__ = ["GROUPS", "Site", "load", "schema", "schema_text"]


class Access(Model):
    """How the controller logs in to the machines."""

    user: UserName = "root"
    private_key: RelativePath = Field(
        "artifacts/ssh/id_ed25519", description="relative to the folder of the site; made by `up` when missing"
    )


class User(Model):
    """An administrator with an account on every machine."""

    name: UserName
    authorized_keys: tuple[PublicKey, ...] = ()
    password: SecretReference | None = Field(None, description="absent: the account has no password")


class Simulated(Model):
    """Something this site only simulates; printed at the end of `up`."""

    what: str
    by: str


class Apt(Model):
    """Where packages come from."""

    proxy: ProxyUrl | None = None


class Uplink(Model):
    """The router's way out of the lab."""

    interface: InterfaceName = "uplink"
    address: UplinkAddress = Field(description="dhcp, or an address with its prefix length")
    gateway: Address | None = Field(None, description="required with a static address")
    resolvers: tuple[Address, ...] = Field((), description="default: the gateway; required with dhcp")
    ntp_servers: tuple[Server, ...] = Field((), description="empty: the router serves its own clock")
    manage_from: tuple[NetworkRange, ...] = Field((), description="who outside the lab may manage router and machines")
    allow_private: tuple[NetworkRange, ...] = Field((), description="private destinations allowed besides gateway and resolvers")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.address == "dhcp":
            if self.gateway is not None:
                refuse("the gateway comes from dhcp", "remove it, or give a static address", "gateway")
            if not self.resolvers:
                refuse("required when the address is dhcp", "name the resolvers the lab shall ask", "resolvers")
            return self
        network = self.address.network
        if self.gateway is None:
            first = addressing.free_address(network, {self.address.ip}, None)
            refuse("required when the address is static", f"did you mean {first}?" if first else "", "gateway")
        if not addressing.is_usable(network, self.gateway):
            refuse(f"{self.gateway} lies outside the uplink's network {network}", f"an address of {network}", "gateway")
        if self.gateway == self.address.ip:
            refuse(f"{self.gateway} is the router's own address on the uplink", "give the address of the next router", "gateway")
        return self


class Pool(Model):
    """The addresses DHCP may hand out to anyone: host numbers or addresses."""

    from_: HostOrAddress = Field(alias="from")
    to: HostOrAddress


class Subnet(Model):
    """One network of the lab, with a leg of the router as its gateway."""

    _name: str = PrivateAttr("")
    cidr: NetworkRange = Field(default_factory=derived, description="the range; or give a size")
    size: Annotated[int, Field(ge=8, le=30)] | None = Field(None, description="prefix length of a range carved from the supernet")
    purpose: str = ""
    vlan: Annotated[int, Field(ge=1, le=4094)] | None = None
    mtu: Annotated[int, Field(ge=576, le=9216)] = 1500
    gateway: HostOrAddress = Field(default_factory=derived, description="default: the first address")
    internet: bool = Field(False, description="may use the uplink")
    reach: tuple[str, ...] = Field((), description="subnets it may open connections to")
    manage: bool = Field(False, description="its machines may ssh to the router and to all machines")
    dhcp: Pool | None = Field(None, description="absent: reservations only")

    @property
    def name(self) -> str:
        """Its key in `network.subnets`."""
        return self._name

    @model_validator(mode="after")
    def _one_range(self) -> Self:
        if self.cidr is None and self.size is None:
            refuse("needs a range", "give cidr, or size to have one carved from the supernet")
        if self.cidr is not None and self.size is not None:
            refuse("cannot stand beside cidr", "remove one of the two", "size")
        return self


class Reservation(Model):
    """A fixed address for a device that is not a machine of ours."""

    name: Name
    subnet: str
    mac: Mac
    host: HostNumber | None = None
    address: Address = Field(default_factory=derived)

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        one_of(self, "host", "address")
        return self


class Record(Model):
    """A further name in the lab's domain: of an address, of a host number in a subnet, or of a machine."""

    name: Name
    address: Address = Field(default_factory=derived)
    subnet: str | None = None
    host: HostNumber | None = None
    machine: str | None = None
    covers_below: bool = Field(False, description="every name below it leads there too, such as web.NAME")

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        one_of(self, "address", "machine", "host")
        if (self.host is None) != (self.subnet is None):
            refuse("host and subnet belong together", key="host" if self.subnet is None else "subnet")
        return self


class Network(Model):
    """The supernet, its subnets, and how they are connected."""

    supernet: NetworkRange
    router: str = Field(description="a machine of group router")
    trunk: InterfaceName | None = Field(
        None, description="the router's interface that carries tagged VLANs; absent: one interface per subnet"
    )
    uplink: Uplink
    subnets: dict[SubnetName, Subnet] = Field(min_length=1)
    reservations: tuple[Reservation, ...] = ()
    records: tuple[Record, ...] = ()

    @model_validator(mode="after")
    def _name_parts(self) -> Self:
        for name, subnet in self.subnets.items():
            subnet._name = name
        return self


class Site(Model):
    """One lab."""

    _path: Path = PrivateAttr(Path("site.yml"))
    name: Name
    domain: Domain
    timezone: TimeZone = "Etc/UTC"
    secrets: Literal["generated", "provided"] = Field("provided", description="generated: `up` makes what is missing in secrets.yml")
    access: Access = Access()
    users: tuple[User, ...] = ()
    simulated: tuple[Simulated, ...] = ()
    platforms: Platforms = Platforms()
    apt: Apt = Apt()
    network: Network
    machines: dict[MachineName, Machine] = Field(min_length=1)
    nas: Nas | None = Field(None, description="without it, the site has no stage nas")
    ovirt: Ovirt | None = Field(None, description="without it, no machine is on platform ovirt")
    git: Git | None = None
    openstack: Openstack | None = Field(None, description="without it, the site has no cloud of its own")
    kubernetes: Kubernetes | None = Field(None, description="without it, the site has no cluster")
    backup: Backup | None = Field(None, description="without it, nothing is copied")

    @property
    def path(self) -> Path:
        """The site.yml itself."""
        return self._path

    @property
    def directory(self) -> Path:
        """The folder of the site: secrets.yml and artifacts are in it."""
        return self._path.parent

    @property
    def artifacts(self) -> Path:
        """Where what was discovered or made goes; ignored by git."""
        return self.directory / "artifacts"

    @property
    def private_key(self) -> Path:
        """The key the controller logs in with."""
        return self.directory / self.access.private_key

    @model_validator(mode="after")
    def _name_parts(self) -> Self:
        for name, machine in self.machines.items():
            machine._name = name
        return self


def load(path: Path) -> Site:
    """Read, check and resolve one site file; SiteError holds every problem of the first layer that has any."""
    document = site_yaml.read(path)
    try:
        site = Site.model_validate(document.data)
    except ValidationError as error:
        raise SiteError(site_messages.problems(error, document, schema())) from None
    site._path = path.absolute()
    site = addressing.resolve(site)
    findings = [*site_checks.run(site), *secrets.missing(site)]
    if findings:
        raise SiteError(document.problem(found.location, found.message, found.fix) for found in findings)
    return site


def schema() -> dict[str, Any]:
    """The JSON Schema of a site file, as editors want it."""
    written = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Strata site"}
    return {**Site.model_json_schema(by_alias=True), **written}


def schema_text() -> str:
    """The content of site.schema.json."""
    return json.dumps(schema(), indent=2, sort_keys=True) + "\n"

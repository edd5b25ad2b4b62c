"""What can be wanted of Neutron. Everything but external networks is of the project that is logged in to."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, ip_network
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lab.things.thing import Name, Ref, Thing


class Network(Thing):
    """A network of servers; with `external`, one that floating IPs come from, on a physical network of the network machines."""

    kind: ClassVar[str] = "network"
    description: str = ""
    external: bool = False
    shared: bool = False
    port_security: bool = True
    mtu: int | None = Field(default=None, ge=68, le=65535)
    provider_type: Literal["flat", "vlan", "geneve", "vxlan", "local"] | None = None
    physical_network: Name | None = None
    segment: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def physical(self) -> Network:
        """What touches wires says which."""
        if self.provider_type in ("flat", "vlan") and self.physical_network is None:
            raise ValueError(f"a {self.provider_type} network needs physical_network, a name of the bridge mappings")
        if self.provider_type == "vlan" and (self.segment is None or self.segment > 4094):
            raise ValueError("a vlan network needs segment, its VLAN id from 1 to 4094")
        return self

    def wanted(self) -> dict[str, Any]:
        """What is left out, the cloud decides."""
        values = {key: getattr(self, key) for key in ("description", "external", "shared", "port_security")}
        chosen = {key: getattr(self, key) for key in ("mtu", "provider_type", "physical_network", "segment")}
        return values | {key: value for key, value in chosen.items() if value is not None}


class Pool(BaseModel):
    """Addresses from and to, both included."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    from_: IPv4Address = Field(alias="from")
    to: IPv4Address


class Subnet(Thing):
    """Addresses of a network. Without `pool` all of it is given out but the gateway; without `gateway` none is told."""

    kind: ClassVar[str] = "subnet"
    network: Name
    cidr: IPv4Network
    gateway: IPv4Address | None = None
    dhcp: bool = True
    pool: Pool | None = None
    dns_servers: tuple[IPv4Address, ...] = ()
    description: str = ""

    @model_validator(mode="after")
    def inside(self) -> Subnet:
        """Gateway and pool are addresses of it, and the gateway is nobody else's."""
        ends = {"pool.from": self.pool.from_, "pool.to": self.pool.to} if self.pool else {}
        for name, address in (({"gateway": self.gateway} if self.gateway else {}) | ends).items():
            if address not in self.cidr:
                raise ValueError(f"{name} {address} is not in {self.cidr}")
        if self.pool and self.pool.from_ > self.pool.to:
            raise ValueError(f"pool ends at {self.pool.to}, before it begins at {self.pool.from_}")
        if self.pool and self.gateway and self.pool.from_ <= self.gateway <= self.pool.to:
            raise ValueError(f"gateway {self.gateway} is in the pool {self.pool.from_} to {self.pool.to}, which is given out")
        return self

    @property
    def key(self) -> str:
        """Unique in its network."""
        return f"{self.network}/{self.name}"

    def needs(self) -> list[Ref]:
        """Its network."""
        return [Ref("network", self.network)]

    def wanted(self) -> dict[str, Any]:
        """As text; a pool only where the site decides it."""
        values: dict[str, Any] = {
            "cidr": str(self.cidr),
            "gateway": str(self.gateway) if self.gateway else None,
            "dhcp": self.dhcp,
            "dns_servers": [str(address) for address in self.dns_servers],
            "description": self.description,
        }
        return values | ({"pools": [f"{self.pool.from_} to {self.pool.to}"]} if self.pool else {})


class Router(Thing):
    """Routes between subnets (`NETWORK/SUBNET`), and out of the external network, behind its own address with `snat`."""

    kind: ClassVar[str] = "router"
    external_network: Name | None = None
    snat: bool = True
    subnets: tuple[str, ...] = ()
    description: str = ""

    def needs(self) -> list[Ref]:
        """The networks it joins."""
        out = [Ref("network", self.external_network)] if self.external_network else []
        return [*out, *(Ref("subnet", key) for key in self.subnets)]

    def wanted(self) -> dict[str, Any]:
        """Subnets are all there are: a router with one more joins what shall be apart."""
        values = {"external_network": self.external_network, "subnets": sorted(self.subnets), "description": self.description}
        return values | ({"snat": self.snat} if self.external_network else {})


class Rule(BaseModel):
    """What may pass: `ports` is one, or `first-last`; nothing at all is any. From or to a range of addresses, or a group."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    direction: Literal["ingress", "egress"] = "ingress"
    family: Literal["ipv4", "ipv6"] = "ipv4"
    protocol: Literal["tcp", "udp", "icmp", "ipv6-icmp"] | None = None
    ports: str | None = Field(default=None, pattern=r"^\d{1,5}(-\d{1,5})?$")
    remote: str | None = None
    group: Name | None = None

    @model_validator(mode="after")
    def sensible(self) -> Rule:
        """Ports belong to TCP and UDP, and what may pass comes from one place."""
        if self.ports is not None:
            first, last = self.range
            if self.protocol not in ("tcp", "udp"):
                raise ValueError("ports are of tcp or udp: give protocol")
            if not 1 <= first <= last <= 65535:
                raise ValueError(f"ports {self.ports} are no range within 1-65535")
        if self.remote is not None and self.group is not None:
            raise ValueError("give remote (a range of addresses) or group, not both")
        if self.remote is not None:
            found = ip_network(self.remote)  # raises ValueError by itself
            if f"ipv{found.version}" != self.family:
                raise ValueError(f"remote {self.remote} is no {self.family}")
        return self

    @property
    def range(self) -> tuple[int, int]:
        """First and last port."""
        first, _, last = (self.ports or "0").partition("-")
        return int(first), int(last or first)

    def __str__(self) -> str:
        """As it is compared and shown: `ingress ipv4 tcp 22 from 10.0.0.0/8`."""
        return sentence(self.direction, self.family, self.protocol, self.range if self.ports else None, self.remote, self.group)


def sentence(
    direction: str, family: str, protocol: str | None, ports: tuple[int, int] | None, remote: str | None, group: str | None
) -> str:
    """A rule in words, the same for one that is wanted and one that is there."""
    span = "" if ports is None else f" {ports[0]}" if ports[0] == ports[1] else f" {ports[0]}-{ports[1]}"
    anywhere = remote in (None, "0.0.0.0/0", "::/0")
    other = f"group {group}" if group else "anywhere" if anywhere else remote
    return f"{direction} {family} {protocol or 'any'}{span} {'from' if direction == 'ingress' else 'to'} {other}"


class SecurityGroup(Thing):
    """What servers may be reached by. Every ingress rule is named here; egress is all there is by default, unless a rule names some."""

    kind: ClassVar[str] = "security_group"
    description: str = ""
    rules: tuple[Rule, ...] = ()

    def needs(self) -> list[Ref]:
        """Other groups that rules name; its own comes with it."""
        return [Ref("security_group", name) for name in sorted({rule.group for rule in self.rules if rule.group} - {self.name})]

    @property
    def directions(self) -> tuple[str, ...]:
        """Which directions are decided here."""
        return ("egress", "ingress") if any(rule.direction == "egress" for rule in self.rules) else ("ingress",)

    def wanted(self) -> dict[str, Any]:
        """Rules as sentences, by direction: a rule more is a door more, so all of a direction are compared."""
        rules = {way: sorted({str(rule) for rule in self.rules if rule.direction == way}) for way in self.directions}
        return {"description": self.description, "rules": rules}


class FloatingIp(Thing):
    """An address of an external network that leads to a server (`name`); `address` only where it has to be that one."""

    kind: ClassVar[str] = "floating_ip"
    network: Name
    address: IPv4Address | None = None

    def needs(self) -> list[Ref]:
        """The network it is of, and the server it leads to."""
        return [Ref("network", self.network), Ref("server", self.name)]

    def wanted(self) -> dict[str, Any]:
        """Any address of the network will do."""
        return {"network": self.network} | ({"address": str(self.address)} if self.address else {})

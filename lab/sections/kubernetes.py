"""Section `kubernetes` of a site file: the cluster on the machines of groups kubernetes_control_plane and kubernetes_worker."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from lab import addressing
from lab.kubernetes.releases import RELEASES
from lab.site_fields import HostOrAddress, Name, NetworkRange, refuse, shown
from lab.site_machines import Machine
from lab.site_model import Model, SecretReference

if TYPE_CHECKING:
    from lab.site import Site

CONTROL_PLANE, WORKER = "kubernetes_control_plane", "kubernetes_worker"
# Those whose modules are pinned. kube-proxy's nftables mode, and kubeadm's v1beta4, are older than any of them.
MINORS = tuple(RELEASES)
NODE_PREFIX = 24  # the part of the pod range that the controller manager gives each node


def _version(value: str) -> str:
    if not re.fullmatch(r"\d+\.\d+\.\d+", value):
        refuse(f"{shown(value)} is not a version of Kubernetes", f'write it whole and in quotes, such as "{MINORS[0]}.4"')
    minor = value.rpartition(".")[0]
    if minor not in MINORS:
        refuse(f"{value} is not supported: what is pinned here is {' and '.join(MINORS)}", f'a release of them, such as "{MINORS[0]}.4"')
    return value


def _place(value: str) -> str:
    if not re.fullmatch(r"/\S+|https?://[^\s@]+", value):
        refuse(f"{shown(value)} is neither an absolute folder nor a URL", "write it as /srv/mirror/kubernetes or https://HOST/PATH")
    return value


Version = Annotated[str, AfterValidator(_version)]
Place = Annotated[str, AfterValidator(_place)]


class Artifacts(Model):
    """Where binaries and images come from."""

    kind: Literal["modules", "packages", "mirror"] = Field(
        "modules", description="modules: built here from pinned Go modules; packages: upstream's; mirror: a folder or URL"
    )
    from_: Place | None = Field(None, alias="from", description="of a mirror")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind == "mirror" and self.from_ is None:
            refuse("is required for a mirror", "the folder or URL that `./inv mirror` filled", "from")
        if self.kind != "mirror" and self.from_ is not None:
            refuse(f"says nothing beside kind {self.kind}", "remove it, or kind: mirror", "from")
        return self


class LoadBalancer(Model):
    """Addresses that services of type LoadBalancer get: host numbers or addresses, answered for in their subnet."""

    subnet: str
    from_: HostOrAddress = Field(alias="from")
    to: HostOrAddress


class Ingress(Model):
    """One address for many web services, by their names."""

    record: Name = Field(description="of network.records: an address of the load balancer, with covers_below; services are names below it")


class Storage(Model):
    """Volumes on the NAS."""

    dataset: str = Field(description="of nas.datasets; a folder in it for each volume")


class Kubernetes(Model):
    """The cluster. It stands on machines with a kernel of their own."""

    version: Version
    source: Artifacts = Artifacts()
    endpoint: Name = Field(description="the record whose address the API has: a virtual one where there are several control planes")
    encryption: SecretReference = Field(description="what secrets are encrypted with at rest; without it, no backup of them can be read")
    pods: NetworkRange = Field(IPv4Network("10.244.0.0/16"), description=f"each node gets a /{NODE_PREFIX} of it")
    services: NetworkRange = IPv4Network("10.245.0.0/16")
    network: Literal["flannel"] = Field("flannel", description="how pods of different nodes reach each other")
    pod_security: Literal["privileged", "baseline", "restricted"] = Field("baseline", description="of namespaces that say nothing")
    load_balancer: LoadBalancer | None = Field(None, description="without it, no service is reached from outside")
    ingress: Ingress | None = Field(None, description="without it, each web service needs an address of its own")
    network_policies: bool = Field(False, description="whether policies say who reaches pods; without it, nobody heeds them")
    storage: Storage | None = Field(None, description="without it, volumes are on the disks of nodes only")


def control_planes(site: Site) -> list[Machine]:
    """The machines with the control plane, in the order of the site; the first one begins the cluster."""
    return [machine for machine in site.machines.values() if CONTROL_PLANE in machine.groups]


def workers(site: Site) -> list[Machine]:
    """The machines that run workloads besides; without any, control planes do."""
    return [machine for machine in site.machines.values() if WORKER in machine.groups]


def nodes(site: Site) -> list[Machine]:
    """All machines of the cluster, control planes first; none without the section."""
    return [*control_planes(site), *workers(site)] if site.kubernetes else []


def endpoint(site: Site) -> IPv4Address | None:
    """The address of the API, if the record that says it is there."""
    wanted = site.kubernetes.endpoint if site.kubernetes else ""
    return next((record.address for record in site.network.records if record.name == wanted), None)


def endpoint_is_virtual(site: Site) -> bool:
    """Whether the API's address moves between control planes, or is that of the only one."""
    return endpoint(site) not in {leg.address for machine in control_planes(site) for leg in machine.interfaces.values()}


def range_of(site: Site) -> tuple[IPv4Address, IPv4Address] | None:
    """First and last address of load balancers; host numbers count within their subnet. None without one, or in an unknown subnet."""
    wanted = site.kubernetes.load_balancer if site.kubernetes else None
    subnet = site.network.subnets.get(wanted.subnet) if wanted else None
    if wanted is None or subnet is None:
        return None
    return addressing.placed(subnet.cidr, wanted.from_), addressing.placed(subnet.cidr, wanted.to)

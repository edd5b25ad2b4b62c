"""One class per resource: how it is found, and how it is made, changed and removed."""

from __future__ import annotations

from collections.abc import Mapping

from lab.openstack.kinds.base import Kind
from lab.openstack.kinds.hardware import Flavors, Keypairs, VolumeTypes
from lab.openstack.kinds.identity import DOMAINS, PROJECTS, ROLES, SERVICES, Assignments, Endpoints, Users
from lab.openstack.kinds.images import Images
from lab.openstack.kinds.networks import NETWORKS, FloatingIps, Subnets
from lab.openstack.kinds.quotas import Quotas
from lab.openstack.kinds.routers import Routers
from lab.openstack.kinds.security_groups import SecurityGroups
from lab.openstack.kinds.servers import Servers
from lab.openstack.kinds.stacks import Stacks
from lab.openstack.kinds.volumes import Snapshots, Volumes

KINDS: Mapping[str, Kind] = {
    "domain": DOMAINS,
    "project": PROJECTS,
    "user": Users(),
    "role": ROLES,
    "assignment": Assignments(),
    "service": SERVICES,
    "endpoint": Endpoints(),
    "quota": Quotas(),
    "flavor": Flavors(),
    "image": Images(),
    "keypair": Keypairs(),
    "network": NETWORKS,
    "subnet": Subnets(),
    "router": Routers(),
    "security_group": SecurityGroups(),
    "volume_type": VolumeTypes(),
    "volume": Volumes(),
    "server": Servers(),
    "floating_ip": FloatingIps(),
    "snapshot": Snapshots(),
    "stack": Stacks(),
}

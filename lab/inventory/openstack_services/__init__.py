"""The services of a cloud, each as data for role openstack_service. One module per service; `control` and `compute` say their order."""

from __future__ import annotations

from lab.inventory.openstack_services import nova as novas
from lab.inventory.openstack_services.glance import glance
from lab.inventory.openstack_services.infrastructure import haproxy, journal, mariadb, memcached, rabbitmq
from lab.inventory.openstack_services.keystone import keystone
from lab.inventory.openstack_services.neutron import metadata_agent, neutron, ovn_central
from lab.inventory.openstack_services.placement import placement
from lab.inventory.openstack_services.service import Api, Cloud, Service

__all__ = ["Api", "Cloud", "Service", "apis", "compute", "control"]


def control(cloud: Cloud, *, is_compute: bool = False) -> tuple[Service, ...]:
    """What a control machine runs, in the order in which it is built. The proxy stands before what it leads to: services ask each other."""
    nova = novas.nova(cloud, is_compute=is_compute)
    services = (keystone(cloud), glance(cloud), placement(cloud), nova, ovn_central(cloud), neutron(cloud))
    fronts = tuple(api for service in services for api in service.apis)
    return (journal(cloud), mariadb(cloud), rabbitmq(cloud), memcached(cloud), haproxy(cloud, fronts), *services)


def compute(cloud: Cloud, *, is_control: bool = False) -> tuple[Service, ...]:
    """What a machine that servers run on has of Nova and Neutron."""
    return (journal(cloud), metadata_agent(cloud, is_control=is_control), novas.compute(cloud, is_control=is_control))


def apis(cloud: Cloud) -> tuple[Api, ...]:
    """Everything that clients may reach, in the catalog."""
    return tuple(api for service in control(cloud) for api in service.apis if api.type)

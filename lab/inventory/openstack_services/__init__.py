"""The services of a cloud, each as data for role openstack_service. One module per service; `control` and `compute` say their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lab.inventory.openstack_services import nova as novas
from lab.inventory.openstack_services.cinder import volumes
from lab.inventory.openstack_services.designate import designate
from lab.inventory.openstack_services.glance import glance
from lab.inventory.openstack_services.heat import heat
from lab.inventory.openstack_services.horizon import horizon
from lab.inventory.openstack_services.infrastructure import haproxy, journal, mariadb, memcached, rabbitmq
from lab.inventory.openstack_services.keystone import keystone
from lab.inventory.openstack_services.neutron import metadata_agent, neutron, ovn_central
from lab.inventory.openstack_services.placement import placement
from lab.inventory.openstack_services.service import Api, Cloud, Service, as_data
from lab.inventory.openstack_services.swift import swift

__all__ = ["OPTIONAL", "Api", "Cloud", "Service", "compute", "control", "described", "machine"]


# A further service is a module like theirs, and its name here and in the section's key `services`; some are several services.
OPTIONAL: Mapping[str, Callable[[Cloud], tuple[Service, ...]]] = {
    "heat": lambda cloud: (heat(cloud),),
    "horizon": lambda cloud: (horizon(cloud),),
    "swift": lambda cloud: (swift(cloud),),
    "designate": designate,
}


def control(cloud: Cloud, *, is_compute: bool = False) -> tuple[Service, ...]:
    """What a control machine runs, in the order in which it is built. The proxy stands before what it leads to: services ask each other."""
    nova = novas.nova(cloud, is_compute=is_compute)
    optional = tuple(service for name in OPTIONAL if name in cloud.optional for service in OPTIONAL[name](cloud))
    services = (keystone(cloud), glance(cloud), placement(cloud), *volumes(cloud), nova, ovn_central(cloud), neutron(cloud), *optional)
    fronts = tuple(api for service in services for api in service.apis)
    return (journal(cloud), mariadb(cloud), rabbitmq(cloud), memcached(cloud), haproxy(cloud, fronts), *services)


def compute(cloud: Cloud, *, is_control: bool = False) -> tuple[Service, ...]:
    """What a machine that servers run on has of Nova and Neutron."""
    return (journal(cloud), metadata_agent(cloud, is_control=is_control), novas.compute(cloud, is_control=is_control))


def machine(cloud: Cloud, *, is_control: bool, is_compute: bool) -> tuple[Service, ...]:
    """What a machine runs that is one of them or both; a service they share is made once."""
    found = control(cloud, is_compute=is_compute) if is_control else ()
    if is_compute:
        names = {service.name for service in found}
        found += tuple(service for service in compute(cloud, is_control=is_control) if service.name not in names)
    return found


def described(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Services as data, for scenarios: they have no site, but `{cloud: the fields of Cloud, parts: [control, compute], services: [names]}`.

    Without `services` it is all of them.
    """
    cloud, parts = Cloud(**told["cloud"]), told["parts"]
    found = machine(cloud, is_control="control" in parts, is_compute="compute" in parts)
    return [as_data(service, cloud) for service in found if service.name in told.get("services", [service.name])]

"""The services of a cloud, each as data for role openstack_service. One module per service; `control` says their order."""

from __future__ import annotations

from lab.inventory.openstack_services.infrastructure import haproxy, mariadb, memcached, rabbitmq
from lab.inventory.openstack_services.keystone import keystone
from lab.inventory.openstack_services.service import Api, Cloud, Service

__all__ = ["Api", "Cloud", "Service", "apis", "control"]


def control(cloud: Cloud) -> tuple[Service, ...]:
    """What a control machine runs, in the order in which it is built. The proxy stands before what it leads to: services ask each other."""
    services = (keystone(cloud),)
    fronts = tuple(api for service in services for api in service.apis)
    return (mariadb(cloud), rabbitmq(cloud), memcached(cloud), haproxy(cloud, fronts), *services)


def apis(cloud: Cloud) -> tuple[Api, ...]:
    """Everything that clients may reach."""
    return tuple(api for service in control(cloud) for api in service.apis)

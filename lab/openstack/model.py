"""What can be wanted of a cloud: one frozen class per resource, in plain words and with units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lab.openstack.model_compute import Flavor, Image, Keypair, Server, Snapshot, Stack, Volume, VolumeType
from lab.openstack.model_identity import Assignment, Domain, Endpoint, Project, Quota, Role, Service, User
from lab.openstack.model_network import FloatingIp, Network, Router, SecurityGroup, Subnet
from lab.things import model
from lab.things.thing import Thing

THINGS: tuple[type[Thing], ...] = (
    Domain,
    Project,
    User,
    Role,
    Assignment,
    Service,
    Endpoint,
    Quota,
    Flavor,
    Image,
    Keypair,
    Network,
    Subnet,
    Router,
    SecurityGroup,
    VolumeType,
    Volume,
    Server,
    FloatingIp,
    Snapshot,
    Stack,
)
"""Every kind in the order in which things are usually made."""

BY_KIND: Mapping[str, type[Thing]] = {thing.kind: thing for thing in THINGS}


def thing(kind: str, values: Mapping[str, Any]) -> Thing:
    """One wanted thing.

    Raises InputError with everything that is wrong with it.
    """
    return model.thing(kind, values, BY_KIND, "a cloud")


def parse(wanted: Mapping[str, Iterable[Mapping[str, Any]]]) -> list[Thing]:
    """A whole wanted model, given as kind -> things.

    Raises InputError with everything that is wrong with all of them.
    """
    return model.parse(wanted, BY_KIND, "a cloud")

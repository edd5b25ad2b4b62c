"""What a cloud has, read once per collection: a plan over 200 servers asks as often as one over two."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lab.errors import LabError, suggest
from lab.openstack.cloud import Cloud
from lab.things.thing import Seen

# How all of a collection is asked for; what belongs to a project is asked for that one alone, but networks that all may use.
COLLECTIONS: Mapping[str, Callable[[Any, str], Iterable[Any]]] = {
    "domains": lambda cloud, _: cloud.identity.domains(),
    "projects": lambda cloud, _: cloud.identity.projects(),
    "users": lambda cloud, _: cloud.identity.users(),
    "roles": lambda cloud, _: cloud.identity.roles(),
    "role_assignments": lambda cloud, _: cloud.identity.role_assignments(include_names=True),
    "services": lambda cloud, _: cloud.identity.services(),
    "endpoints": lambda cloud, _: cloud.identity.endpoints(),
    "flavors": lambda cloud, _: cloud.compute.flavors(is_public="None"),
    "images": lambda cloud, _: cloud.image.images(),
    "keypairs": lambda cloud, _: cloud.compute.keypairs(),
    "networks": lambda cloud, own: [item for item in cloud.network.networks() if usable(item, own)],
    "subnets": lambda cloud, _: cloud.network.subnets(),
    "routers": lambda cloud, own: cloud.network.routers(project_id=own),
    "ports": lambda cloud, own: cloud.network.ports(project_id=own),
    "security_groups": lambda cloud, own: cloud.network.security_groups(project_id=own),
    "floating_ips": lambda cloud, own: cloud.network.ips(project_id=own),
    "volume_types": lambda cloud, _: cloud.block_storage.types(is_public="None"),
    "volumes": lambda cloud, _: cloud.block_storage.volumes(),
    "snapshots": lambda cloud, _: cloud.block_storage.snapshots(),
    "stacks": lambda cloud, _: cloud.orchestration.stacks(),
    "servers": lambda cloud, _: cloud.compute.servers(),
}
OF_A_PROJECT = ("networks", "routers", "ports", "security_groups", "floating_ips")


class State:
    """Collections of a cloud, each asked for when first needed and kept until something was changed."""

    def __init__(self, cloud: Cloud) -> None:
        """Nothing is asked yet."""
        self.cloud = cloud
        self._kept: dict[str, list[Any]] = {}

    def objects(self, collection: str) -> list[Any]:
        """All of a collection, as the SDK's objects."""
        if collection not in self._kept:
            own = self.cloud.project_id if collection in OF_A_PROJECT else ""
            words = collection.replace("_", " ")
            self._kept[collection] = self.cloud.ask(words, lambda: list(COLLECTIONS[collection](self.cloud.connection, own)))
        return self._kept[collection]

    def forget(self, *collections: str) -> None:
        """After a change these, or all, are asked for anew."""
        for collection in collections or list(self._kept):
            self._kept.pop(collection, None)

    def name(self, collection: str, ident: str | None) -> str:
        """The name of what an id stands for; empty where there is no id, or its object is out of our sight."""
        return next((str(item.name) for item in self.objects(collection) if item.id == ident), "") if ident else ""

    def id(self, collection: str, name: str, for_what: str) -> str:
        """The id of the one object of that name.

        Raises LabError where there is none, naming those that are near, and where there are several.
        """
        found = [str(item.id) for item in self.objects(collection) if item.name == name]
        words = collection.replace("_", " ").rstrip("s")
        url = self.cloud.login.auth_url
        if len(found) > 1:
            raise LabError(f"{url}: {for_what}: {several(words, name, found)}")
        if not found:
            hint = suggest(name, {str(item.name) for item in self.objects(collection)}) or "make it first"
            raise LabError(f"{url}: {for_what}: {words} {name!r} is not there; fix: {hint}")
        return found[0]


def usable(network: Any, own: str) -> bool:
    """Networks of the project itself, and those of others that servers or routers may use."""
    return network.project_id == own or bool(network.is_shared) or bool(network.is_router_external)


def several(what: str, name: str, ids: Iterable[str]) -> str:
    """Names are not unique in a cloud; which one is meant only its owner knows."""
    found = sorted(ids)
    return f"there are {len(found)} of {what} {name} ({', '.join(found)}); fix: remove or rename all but the one that is meant"


def keyed(pairs: Iterable[tuple[str, Seen]]) -> dict[str, Seen]:
    """By key; of several that have the same, the first stands for all and names them in its note `twins`."""
    found: dict[str, Seen] = {}
    for key, seen in pairs:
        if key in found:
            twins = [*found[key].notes.get("twins", [found[key].id]), seen.id]
            found[key] = Seen(found[key].id, found[key].values, found[key].notes | {"twins": twins})
        else:
            found[key] = seen
    return found

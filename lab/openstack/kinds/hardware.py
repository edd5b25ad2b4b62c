"""Nova and Cinder: sizes of servers, keys, and kinds of disks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab.openstack.kinds.base import Plain, removed, said
from lab.openstack.model_compute import Flavor, Keypair, VolumeType
from lab.openstack.sdk import text
from lab.openstack.state import State, keyed
from lab.things.thing import Seen, Step


class Flavors:
    """Sizes; what a size is cannot be changed, its properties can."""

    touches = ("flavors",)

    def observe(self, state: State, things: Sequence[Flavor]) -> dict[str, Seen]:
        """By name, private ones too where we may see them."""
        pairs = []
        for item in state.objects("flavors"):
            values = {"vcpus": item.vcpus, "memory_mib": item.ram, "disk_gib": item.disk, "public": item.is_public}
            pairs.append((str(item.name), Seen(str(item.id), values | {"properties": dict(item.extra_specs or {})})))
        return keyed(pairs)

    def create(self, state: State, thing: Flavor) -> None:
        """The size, then its properties: a killed run is continued by the update of what is there."""
        compute = state.cloud.connection.compute
        body = {"name": thing.name, "vcpus": thing.vcpus, "ram": thing.memory_mib, "disk": thing.disk_gib, "is_public": thing.public}
        made = state.cloud.tell(said(thing, "create"), lambda: compute.create_flavor(**body))
        if thing.properties:
            state.cloud.tell(said(thing, "properties"), lambda: compute.create_flavor_extra_specs(made, thing.properties))

    def update(self, state: State, thing: Flavor, seen: Seen, step: Step) -> None:
        """Only properties are left to change: the planner refuses the rest."""
        compute = state.cloud.connection.compute
        state.cloud.tell(said(thing, "properties"), lambda: compute.create_flavor_extra_specs(seen.id, thing.properties))

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """Servers of that size live on."""
        compute = state.cloud.connection.compute
        removed(state, f"flavor {key}", lambda: compute.delete_flavor(seen.id, ignore_missing=False))


class Keypairs:
    """Public keys of who is logged in."""

    touches = ("keypairs",)

    def observe(self, state: State, things: Sequence[Keypair]) -> dict[str, Seen]:
        """By name; a comment at the end of a key does not count."""
        pairs = state.objects("keypairs")
        return {str(item.name): Seen(str(item.name), {"public_key": " ".join(text(item.public_key).split()[:2])}) for item in pairs}

    def create(self, state: State, thing: Keypair) -> None:
        """Only the public half is ours to give."""
        body = {"name": thing.name, "public_key": thing.public_key}
        state.cloud.tell(said(thing, "create"), lambda: state.cloud.connection.compute.create_keypair(**body))

    def update(self, state: State, thing: Keypair, seen: Seen, step: Step) -> None:
        """Nova cannot change one; servers that have the old one keep it."""
        self.remove(state, thing.key, seen)
        self.create(state, thing)

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """One request."""
        compute = state.cloud.connection.compute
        removed(state, f"keypair {key}", lambda: compute.delete_keypair(seen.id, ignore_missing=False))


def type_values(state: State, item: Any, words: Mapping[str, str]) -> dict[str, Any]:
    """In the words of the model."""
    return {"description": text(item.description), "public": item.is_public, "properties": dict(item.extra_specs or {})}


PLAIN_TYPES = Plain("block_storage", "type", "volume_types", {"description": "description", "public": "is_public"}, read=type_values)


class VolumeTypes:
    """Kinds of disks."""

    touches = ("volume_types",)

    def observe(self, state: State, things: Sequence[VolumeType]) -> dict[str, Seen]:
        """By name."""
        return PLAIN_TYPES.observe(state, things)

    def create(self, state: State, thing: VolumeType) -> None:
        """With what chooses its backend."""
        body = {"name": thing.name, "description": thing.description, "is_public": thing.public}
        body |= {"extra_specs": thing.wanted()["properties"]} if "properties" in thing.wanted() else {}
        state.cloud.tell(said(thing, "create"), lambda: state.cloud.connection.block_storage.create_type(**body))

    def update(self, state: State, thing: VolumeType, seen: Seen, step: Step) -> None:
        """What differs; a backend is only changed for disks that come after."""
        storage = state.cloud.connection.block_storage
        if body := PLAIN_TYPES.body(step.changes):
            state.cloud.tell(said(thing, "change"), lambda: storage.update_type(seen.id, **body))
        if properties := step.changes.get("properties"):
            state.cloud.tell(said(thing, "properties"), lambda: storage.update_type_extra_specs(seen.id, **properties))

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """Refused by Cinder while a volume is of it."""
        PLAIN_TYPES.remove(state, key, seen)

"""Cinder: volumes. They are attached by Nova, which is what a server is told of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab.errors import LabError
from lab.openstack.cloud import NotReached
from lab.openstack.kinds.base import removed, said
from lab.openstack.model_compute import Snapshot, Volume
from lab.openstack.sdk import text
from lab.openstack.state import State, keyed
from lab.things.thing import Seen, Step, Thing

USABLE_SECONDS = 900  # an image is copied onto a bootable one
USABLE = ("available", "in-use")
FREE = ("available", "error")
FREE_SECONDS = 120
FIX = "fix: `openstack volume service list` says which backend is down, its journal why; is its store full?"


class Volumes:
    """Disks of the project."""

    touches = ("volumes",)

    def observe(self, state: State, things: Sequence[Volume]) -> dict[str, Seen]:
        """By name; those without one are images' and servers' own. Notes say who has it, and as which device."""
        pairs = []
        for item in state.objects("volumes"):
            values = {
                "size_gib": item.size,
                "type": item.volume_type,
                "description": text(item.description),
                "usable": item.status in USABLE,
                "snapshot": state.name("snapshots", item.snapshot_id) or None if item.snapshot_id else None,
                "image": (item.volume_image_metadata or {}).get("image_name"),
            }
            users = {str(one["server_id"]): text(one.get("device")) for one in item.attachments or ()}
            if item.name:
                pairs.append((str(item.name), Seen(str(item.id), values, {"status": item.status, "servers": users})))
        return keyed(pairs)

    def create(self, state: State, thing: Volume) -> None:
        """What fails to become usable is taken away again: nothing was ever written to it."""
        storage = state.cloud.connection.block_storage
        body: dict[str, Any] = {"name": thing.name, "size": thing.size_gib, "description": thing.description}
        body |= {"volume_type": thing.type} if thing.type else {}
        body |= {"image_id": state.id("images", thing.image, said(thing, "create"))} if thing.image else {}
        body |= {"snapshot_id": state.id("snapshots", thing.snapshot, said(thing, "create"))} if thing.snapshot else {}
        made = state.cloud.tell(said(thing, "create"), lambda: storage.create_volume(**body))
        status = self.usable(state, thing, str(made.id))
        if status == "error":
            told = message_of(state, str(made.id))
            self.remove(state, thing.key, Seen(str(made.id), {}, {"servers": {}}))
            raise_failed(state, thing, told)

    def usable(self, state: State, thing: Volume, ident: str) -> str:
        """Waits until it can be used, or never will; returns which."""
        storage = state.cloud.connection.block_storage
        return state.cloud.wait(
            f"{thing.ref} can be used",
            lambda: str(storage.get_volume(ident).status),
            lambda status: status in (*USABLE, "error"),
            USABLE_SECONDS,
            lambda status: status.startswith("error_"),
            lambda: FIX,
        )

    def update(self, state: State, thing: Volume, seen: Seen, step: Step) -> None:
        """A run that was killed left it being made; otherwise words change, and disks grow."""
        storage = state.cloud.connection.block_storage
        if "usable" in step.changes and self.usable(state, thing, seen.id) == "error":
            raise_failed(state, thing, message_of(state, seen.id))
        if "description" in step.changes:
            state.cloud.tell(said(thing, "change"), lambda: storage.update_volume(seen.id, description=thing.description))
        if "size_gib" in step.changes:
            state.cloud.tell(said(thing, "grow"), lambda: storage.extend_volume(seen.id, thing.size_gib))
            state.cloud.wait(
                f"{thing.ref} has grown",
                lambda: (lambda now: (str(now.status), now.size))(storage.get_volume(seen.id)),
                lambda now: now[0] in USABLE and now[1] == thing.size_gib,
                USABLE_SECONDS,
                lambda now: now[0].startswith("error"),
                lambda: FIX,
            )

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """Only where no server has it: a teardown has servers go first, and a disk is never pulled from under one."""
        storage = state.cloud.connection.block_storage
        if names := [name for ident in seen.notes.get("servers", ()) if (name := state.name("servers", ident))]:
            where = state.cloud.login.auth_url
            fix = "remove the server, or take the volume from it, first"
            raise LabError(f"{where}: volume {key}: server {', '.join(names)} has it; fix: {fix}")
        if seen.notes.get("servers"):  # of a server that has just gone
            state.cloud.wait(
                f"volume {key} is let go", lambda: str(storage.get_volume(seen.id).status), lambda status: status in FREE, FREE_SECONDS
            )
        removed(
            state,
            f"volume {key}",
            lambda: storage.delete_volume(seen.id, ignore_missing=False),
            lambda: storage.get_volume(seen.id),
            lambda status: status == "error_deleting",
        )


class Snapshots:
    """Moments of volumes."""

    touches = ("snapshots",)

    def observe(self, state: State, things: Sequence[Snapshot]) -> dict[str, Seen]:
        """By name."""
        pairs = []
        for item in state.objects("snapshots"):
            values = {"volume": state.name("volumes", item.volume_id), "description": text(item.description)}
            pairs.append((str(item.name), Seen(str(item.id), values | {"usable": item.status == "available"})))
        return keyed(pairs)

    def create(self, state: State, thing: Snapshot) -> None:
        """One that fails is taken away again: it is no moment of anything."""
        storage = state.cloud.connection.block_storage
        volume = state.id("volumes", thing.volume, said(thing, "create"))
        body = {"name": thing.name, "volume_id": volume, "description": thing.description, "is_forced": thing.even_attached}
        made = state.cloud.tell(said(thing, "create"), lambda: storage.create_snapshot(**body))
        if self.usable(state, thing, str(made.id)) == "error":
            told = message_of(state, str(made.id))
            self.remove(state, thing.key, Seen(str(made.id), {}))
            raise_failed(state, thing, told)

    def usable(self, state: State, thing: Snapshot, ident: str) -> str:
        """Waits until it can be used, or never will; returns which."""
        storage = state.cloud.connection.block_storage
        return state.cloud.wait(
            f"{thing.ref} can be used",
            lambda: str(storage.get_snapshot(ident).status),
            lambda status: status in ("available", "error"),
            USABLE_SECONDS,
            lambda status: status.startswith("error_"),
            lambda: FIX,
        )

    def update(self, state: State, thing: Snapshot, seen: Seen, step: Step) -> None:
        """A run that was killed left it being made; the planner refuses another volume."""
        storage = state.cloud.connection.block_storage
        if "usable" in step.changes and self.usable(state, thing, seen.id) == "error":
            raise_failed(state, thing, message_of(state, seen.id))
        if "description" in step.changes:
            state.cloud.tell(said(thing, "change"), lambda: storage.update_snapshot(seen.id, description=thing.description))

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """Refused by some backends while a volume is a copy of it."""
        storage = state.cloud.connection.block_storage
        removed(
            state,
            f"snapshot {key}",
            lambda: storage.delete_snapshot(seen.id, ignore_missing=False),
            lambda: storage.get_snapshot(seen.id),
            lambda status: status == "error_deleting",
        )


def message_of(state: State, ident: str) -> str:
    """What Cinder tells its users of a volume that failed."""
    storage = state.cloud.connection.block_storage
    found = state.cloud.ask("messages of volumes", lambda: list(storage.messages()))
    return " | ".join(text(item.user_message) for item in found if item.resource_uuid == ident)


def raise_failed(state: State, thing: Thing, told: str) -> None:
    """Says why, as far as Cinder tells; raises NotReached."""
    said_ = f": {told}" if told else ""
    raise NotReached(f"{thing.ref} at {state.cloud.login.auth_url}: could not be made{said_}; {FIX}")

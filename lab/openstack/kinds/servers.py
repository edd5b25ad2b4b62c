"""Nova: servers, with what is plugged into them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from lab.openstack import diagnosis
from lab.openstack.cloud import NotReached
from lab.openstack.flavors import Node, Size, stays
from lab.openstack.kinds.base import removed, said
from lab.openstack.model_compute import Server
from lab.openstack.sdk import text
from lab.openstack.state import State, keyed
from lab.things.thing import Seen, Step

START_SECONDS = 900  # an image is copied to the compute node first, and everything may be emulated
STOP_SECONDS = 300
DISK_SECONDS = 300
STATES = {"ACTIVE": "running", "SHUTOFF": "stopped"}


class Servers:
    """Servers of the project."""

    touches = ("servers", "ports", "volumes")

    def observe(self, state: State, things: Sequence[Server]) -> dict[str, Seen]:
        """By name. A volume that Nova made by itself has no name, and is none of ours."""
        pairs = []
        for item in state.objects("servers"):
            disks = {name: device for name, device in disks_of(state, item).items() if name}
            boot = next((name for name, device in disks.items() if device.endswith("da")), None)
            image = (item.image or {}).get("id") if not isinstance(item.image, str) else None
            values = {
                "flavor": flavor_name(item),
                "image": state.name("images", image) or None,
                "boot_volume": boot,
                "state": STATES.get(str(item.status), str(item.status).lower()),
                "networks": sorted(item.addresses or {}),
                "security_groups": sorted({str(group["name"]) for group in item.security_groups or ()}),
                "volumes": sorted(set(disks) - {boot}),
                "keypair": item.key_name,
                "host": item.compute_host,
            }
            notes = {"host": item.compute_host, "addresses": addresses(item), "fault": (item.fault or {}).get("message", "")}
            pairs.append((str(item.name), Seen(str(item.id), values, notes)))
        return keyed(pairs)

    def create(self, state: State, thing: Server) -> None:
        """What goes into ERROR is taken away again, after it was asked why: nothing ever ran on it."""
        compute = state.cloud.connection.compute
        body = self.body(state, thing)
        made = state.cloud.tell(said(thing, "create"), lambda: compute.create_server(**body))
        try:
            self.until(state, thing, str(made.id), "ACTIVE")
        except NotReached:
            if state.cloud.ask(f"{thing.ref}", lambda: compute.get_server(made.id)).status == "ERROR":
                self.remove(state, thing.key, Seen(str(made.id), {}))
            raise
        state.forget(*self.touches)
        self.plug(state, thing, str(made.id), [])
        if thing.state == "stopped":
            self.switch(state, thing, str(made.id))

    def body(self, state: State, thing: Server) -> dict[str, Any]:
        """What Nova is told."""
        what = said(thing, "create")
        body: dict[str, Any] = {"name": thing.name, "flavor_id": state.id("flavors", thing.flavor, what)}
        body["networks"] = [{"uuid": state.id("networks", name, what)} for name in thing.networks]
        body["security_groups"] = [{"name": state.id("security_groups", name, what)} for name in thing.security_groups]
        if thing.image:
            body["image_id"] = state.id("images", thing.image, what)
        else:
            disk = {"boot_index": 0, "source_type": "volume", "destination_type": "volume", "delete_on_termination": False}
            body["block_device_mapping"] = [disk | {"uuid": state.id("volumes", text(thing.boot_volume), what)}]
        chosen = {"key_name": thing.keypair, "host": thing.host, "config_drive": thing.config_drive or None}
        if thing.user_data:
            chosen["user_data"] = base64.b64encode(thing.user_data.get_secret_value().encode()).decode()
        return body | {key: value for key, value in chosen.items() if value is not None}

    def update(self, state: State, thing: Server, seen: Seen, step: Step) -> None:
        """What differs. A server that a killed run left being built is waited for."""
        if seen.values["state"] == "build":
            self.until(state, thing, seen.id, "ACTIVE")
        compute = state.cloud.connection.compute
        if "security_groups" in step.changes:
            there, wanted = set(seen.values["security_groups"]), set(thing.security_groups)
            for name in sorted(wanted - there):
                state.cloud.tell(said(thing, f"into {name}"), lambda: compute.add_security_group_to_server(seen.id, group(state, name)))  # noqa: B023
            for name in sorted(there - wanted):
                state.cloud.tell(
                    said(thing, f"out of {name}"),
                    lambda: compute.remove_security_group_from_server(seen.id, group(state, name)),  # noqa: B023
                )
        if "flavor" in step.changes:
            self.resize(state, thing, seen)
        if "volumes" in step.changes:
            self.plug(state, thing, seen.id, seen.values["volumes"])
        if "state" in step.changes:
            self.switch(state, thing, seen.id)

    def plug(self, state: State, thing: Server, ident: str, there: Sequence[str]) -> None:
        """Through Nova, so that the guest sees it; never the disk it boots from, which is not among these."""
        compute, storage = state.cloud.connection.compute, state.cloud.connection.block_storage
        for name in [name for name in thing.volumes if name not in there]:
            volume = state.id("volumes", name, said(thing, f"attach {name}"))
            state.cloud.tell(said(thing, f"attach {name}"), lambda: compute.create_volume_attachment(ident, volume))  # noqa: B023
            self.disk_until(state, thing, f"volume {name} is attached", lambda: storage.get_volume(volume), "in-use")  # noqa: B023
        for name in [name for name in there if name not in thing.volumes]:
            volume = state.id("volumes", name, said(thing, f"detach {name}"))
            order = said(thing, f"detach {name}")
            state.cloud.tell(order, lambda: compute.delete_volume_attachment(ident, volume, ignore_missing=False))  # noqa: B023
            self.disk_until(state, thing, f"volume {name} is free", lambda: storage.get_volume(volume), "available")  # noqa: B023

    def disk_until(self, state: State, thing: Server, what: str, look: Any, wanted: str) -> None:
        """Until Cinder says so; a disk that goes back to where it was before was refused by the compute node."""
        state.cloud.wait(
            f"{thing.ref}: {what}",
            lambda: str(look().status),
            lambda status: status == wanted,
            DISK_SECONDS,
            lambda status: status.startswith("error"),
            lambda: f"fix: read nova-compute's journal on its node; {diagnosis.last_action(state.cloud, thing.name)}",
        )

    def resize(self, state: State, thing: Server, seen: Seen) -> None:
        """To another flavor, and back again where that does not work out: either way it runs in the end as it was found or as wanted."""
        compute = state.cloud.connection.compute
        flavor = state.id("flavors", thing.flavor, said(thing, "resize"))
        reason = room_for(state, thing, seen)
        state.cloud.tell(said(thing, "resize"), lambda: compute.resize_server(seen.id, flavor))
        try:
            self.until(state, thing, seen.id, "VERIFY_RESIZE")
        except NotReached as error:
            now = state.cloud.ask(f"{thing.ref}", lambda: compute.get_server(seen.id))
            if now.status == "VERIFY_RESIZE":
                state.cloud.tell(said(thing, "back to its old size"), lambda: compute.revert_server_resize(seen.id))
                self.until(state, thing, seen.id, "ACTIVE")
            raise NotReached(f"{error}{reason}") from None
        state.cloud.tell(said(thing, "keep its new size"), lambda: compute.confirm_server_resize(seen.id))
        self.until(state, thing, seen.id, "ACTIVE")

    def switch(self, state: State, thing: Server, ident: str) -> None:
        """On, or off by the power button, which Nova turns into a cut after its own patience."""
        compute = state.cloud.connection.compute
        if thing.state == "running":
            state.cloud.tell(said(thing, "start"), lambda: compute.start_server(ident))
            self.until(state, thing, ident, "ACTIVE")
        else:
            state.cloud.tell(said(thing, "stop"), lambda: compute.stop_server(ident))
            self.until(state, thing, ident, "SHUTOFF", STOP_SECONDS)

    def until(self, state: State, thing: Server, ident: str, status: str, limit_seconds: float = START_SECONDS) -> None:
        """Until Nova says so; ERROR is explained with its fault and what the scheduler found."""
        compute = state.cloud.connection.compute

        def look() -> tuple[str, str]:
            now = compute.get_server(ident)
            return str(now.status), text(now.task_state)

        state.cloud.wait(
            f"{thing.ref} is {status}",
            look,
            lambda now: now == (status, ""),
            limit_seconds,
            # Nova went back to where it was: the order was refused where it should have been carried out.
            lambda now: (
                now[0] == "ERROR" or (status == "VERIFY_RESIZE" and now == ("ACTIVE", "") and diagnosis.failed_last(state.cloud, ident))
            ),
            lambda: diagnosis.story(state, ident, thing.flavor),
        )

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """Its ports go with it; its volumes stay."""
        compute = state.cloud.connection.compute
        removed(
            state,
            f"server {key}",
            lambda: compute.delete_server(seen.id, ignore_missing=False),
            lambda: compute.get_server(seen.id),
        )


def room_for(state: State, thing: Server, seen: Seen) -> str:
    """Whether a server has room for its new size where it is, in words for a message; only administrators see that.

    Raises InputError where its disk would shrink, before anything is sent.
    """
    sizes = {str(item.name): Size(item.vcpus, item.ram, item.disk) for item in state.objects("flavors")}
    there: list[Node] = diagnosis.allowed(lambda: diagnosis.nodes(state.cloud), [])
    nodes = [node for node in there if node.name.partition(".")[0] == text(seen.notes.get("host")).partition(".")[0]]
    if seen.values["flavor"] not in sizes or not nodes:
        return ""
    return f"; {stays(sizes[seen.values['flavor']], sizes[thing.flavor], nodes[0])[1]}"


def group(state: State, name: str) -> Any:
    """A security group as the SDK's request takes it: Nova wants the name, and an id is one where names are not unique."""
    return next(item for item in state.objects("security_groups") if item.name == name)


def flavor_name(item: Any) -> str:
    """Newer Novas tell the flavor as it was, older ones only its id."""
    flavor = item.flavor or {}
    return text(flavor.get("original_name") or flavor.get("name") or flavor.get("id"))


def disks_of(state: State, item: Any) -> dict[str, str]:
    """Name -> device of the volumes it has. One without any is not asked about: a cloud need not have volumes."""
    found: dict[str, str] = {}
    if not item.attached_volumes:
        return found
    for volume in state.objects("volumes"):
        for one in volume.attachments or ():
            if str(one["server_id"]) == str(item.id):
                found[text(volume.name)] = text(one.get("device"))
    return found


def addresses(item: Any) -> dict[str, list[str]]:
    """Network -> its addresses there, the fixed ones first."""
    return {
        str(name): [str(one["addr"]) for one in sorted(many, key=lambda one: str(one.get("OS-EXT-IPS:type")) != "fixed")]
        for name, many in (item.addresses or {}).items()
    }

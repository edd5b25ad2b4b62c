"""What an engine has, read once per collection: a plan over 200 VMs asks as often as one over two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.errors import LabError, suggest
from lab.ovirt.engine import Engine
from lab.ovirt.errors import EngineError, Gone
from lab.ovirt.sdk import ident

# What comes along in the same answer instead of by a request per object.
QUERIES: Mapping[str, Mapping[str, Any]] = {
    "data_centers": {"follow": "storage_domains"},
    "clusters": {"follow": "networks,affinity_groups"},
    "hosts": {"follow": "nics,network_attachments"},
    "templates": {"follow": "disk_attachments"},
    "vms": {"follow": "nics,disk_attachments.disk,reported_devices", "all_content": True},
}


class State:
    """Collections of an engine, each asked for when first needed and kept until something was changed."""

    def __init__(self, engine: Engine, only_vm: str = "") -> None:
        """With `only_vm` the engine is asked for that VM alone, for a step on one of many."""
        self.engine = engine
        self.only_vm = only_vm
        self._kept: dict[str, list[Any]] = {}

    def service(self, collection: str) -> Any:
        """The SDK's service of a collection."""
        return getattr(self.engine.system, f"{collection}_service")()

    def objects(self, collection: str) -> list[Any]:
        """All of a collection, as the SDK's objects."""
        if collection not in self._kept:
            query = dict(QUERIES.get(collection, {}))
            if collection == "vms" and self.only_vm:
                query["search"] = f'name="{self.only_vm}"'
            words = collection.replace("_", " ")
            try:
                self._kept[collection] = list(self.engine.ask(words, lambda: self.service(collection).list(**query)))
            except Gone:
                url = self.engine.login.url
                fix = "check that the URL ends in /ovirt-engine/api and leads to an oVirt engine of version 4"
                raise EngineError(f"{url}: {words}: there is no such collection (HTTP 404); fix: {fix}", 404) from None
        return self._kept[collection]

    def forget(self, *collections: str) -> None:
        """After a change these, or all, are asked for anew."""
        for collection in collections or list(self._kept):
            self._kept.pop(collection, None)

    def name(self, collection: str, link: Any) -> str:
        """The name of what a link points to; empty where there is no link, or its end is out of our sight."""
        wanted = ident(link)
        return next((str(item.name) for item in self.objects(collection) if item.id == wanted), "") if wanted else ""

    def id(self, collection: str, name: str, for_what: str) -> str:
        """The id of a named object.

        Raises LabError where there is none, naming those that are near.
        """
        for item in self.objects(collection):
            if item.name == name:
                return str(item.id)
        words = collection.replace("_", " ").rstrip("s")
        hint = suggest(name, [str(item.name) for item in self.objects(collection)]) or "make it first"
        raise LabError(f"{self.engine.login.url}: {for_what}: {words} {name!r} is not there; fix: {hint}")

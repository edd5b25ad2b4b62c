"""From an address of the API to the collection, object or action it means, and the answer as a document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from lab.simulators.ovirt import schema, xml
from lab.simulators.ovirt.collection import Collection, address
from lab.simulators.ovirt.engine import API, Call
from lab.simulators.ovirt.errors import Fault, not_found, not_simulated, syntax
from lab.simulators.ovirt.store import Body


@dataclass(frozen=True)
class Answer:
    """What is sent back."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    type: str = "application/xml"


@dataclass(frozen=True)
class Target:
    """What an address means: a collection, or one object of it, or an action on that."""

    collection: Collection
    raw: Body | None = None
    action: str = ""


class Router:
    """All collections directly under the API's root."""

    def __init__(self, roots: Mapping[str, Collection]) -> None:
        """By the names in their addresses."""
        self.roots = roots

    def answer(self, call: Call, path: str, body: bytes) -> Answer:
        """Does one request; raises Fault."""
        if made := _CREATION.fullmatch(path):
            return _creation(call, path, made[1])
        target = self.resolve(call, path)
        if target.action:
            return self._act(call, target, body)
        if target.raw is None:
            return self._add(call, target.collection, body) if call.method == "POST" else self._list(call, target.collection)
        return self._object(call, target.collection, target.raw, body)

    def resolve(self, call: Call, path: str) -> Target:
        """Walks an address such as `vms/ID/nics/ID`, and leaves in the call whose collection it ended in."""
        segments = [segment for segment in path.split("/") if segment]
        known: Mapping[str, Collection] = self.roots
        empty: tuple[str, ...] = ()
        base = API
        while segments:
            rel = segments.pop(0)
            base = f"{base}/{rel}"
            if rel in empty and rel not in known:
                call.base = base
                return _nothing(call, rel, segments)
            if rel not in known:
                raise _unknown(path)
            collection = known[rel]
            call.base = base
            if not segments:
                return Target(collection)
            raw = collection.find(call, segments[0])
            if raw is None:
                raise not_found()
            base = f"{base}/{segments.pop(0)}"
            if not segments:
                return Target(collection, raw)
            if len(segments) == 1 and segments[0] in collection.actions and call.method == "POST":
                return Target(collection, raw, segments[0])
            call.parents = (*call.parents, raw)
            known, empty = collection.children, collection.empty
        raise not_found()

    def follow(self, call: Call, type_name: str, body: Body, names: str) -> None:
        """Puts in place of links what they lead to: `nics,disk_attachments.disk`."""
        for wanted in filter(None, (name.strip() for name in names.split(","))):
            first, _, rest = wanted.partition(".")
            self._follow_one(call, type_name, body, first, rest)

    def _follow_one(self, call: Call, type_name: str, body: Body, name: str, rest: str) -> None:
        field_of = schema.load().types[type_name].get(name)
        rel = name.replace("_", "")
        if field_of is None or field_of.kind != "one":
            raise syntax(f"There is nothing to follow under {name!r}.")
        links = dict(body.get("links", ()))
        if rel in links:
            body["links"] = [link for link in body["links"] if link[0] != rel]
            body[name] = self._shown(call, links[rel])
        elif isinstance(body.get(name), dict) and body[name].get("href"):
            body[name] = self._shown(call, body[name]["href"])[0]
        elif isinstance(body.get(name), list) and all(item.get("href") for item in body[name]):
            body[name] = [self._shown(call, item["href"])[0] for item in body[name]]
        elif name not in body:
            return
        if rest:
            inner = body[name]
            for item in inner if isinstance(inner, list) else [inner]:
                self.follow(call, field_of.type, item, rest)

    def _shown(self, call: Call, href: str) -> list[Body]:
        inner = Call(call.engine, "GET", {}, call.correlation_id)
        target = self.resolve(inner, href.removeprefix(API))
        found = target.collection.all(inner) if target.raw is None else [target.raw]
        return [target.collection.show(inner, raw) for raw in found]

    def _list(self, call: Call, collection: Collection) -> Answer:
        _allow(call, collection, {"GET": "list"})
        shown = [collection.show(call, raw) for raw in collection.searched(call)]
        if names := call.query.get("follow"):
            for body in shown:
                self.follow(call, collection.type_name, body, names)
        return Answer(200, xml.write_list(collection.plural, collection.tag, collection.type_name, shown))

    def _object(self, call: Call, collection: Collection, raw: Body, body: bytes) -> Answer:
        _allow(call, collection, {"GET": "get", "PUT": "update", "DELETE": "remove"})
        if call.method == "DELETE":
            collection.remove(call, raw, xml.read(body, "Action") if body.lstrip().startswith(b"<action") else {})
            return Answer(200)
        if call.method == "PUT":
            raw = collection.update(call, raw, xml.read(body, collection.type_name))
        shown = collection.show(call, raw)
        if names := call.query.get("follow"):
            self.follow(call, collection.type_name, shown, names)
        return Answer(200, xml.write(collection.tag, collection.type_name, shown))

    def _add(self, call: Call, collection: Collection, body: bytes) -> Answer:
        _allow(call, collection, {"POST": "add"})
        raw = collection.add(call, xml.read(body, collection.type_name))
        shown = collection.show(call, raw)
        if call.job:
            shown["creation_status"] = "pending"
            shown["links"] = [*shown["links"], ("creation_status", f"{shown['href']}/creation_status/{call.job}")]
        document = xml.write(collection.tag, collection.type_name, shown)
        return Answer(202 if call.job else 201, document, {"Location": call.engine.url.removesuffix(API) + shown["href"]})

    def _act(self, call: Call, target: Target, body: bytes) -> Answer:
        action = xml.read(body, "Action") if body.strip() else {}
        if not target.raw:
            raise not_found()
        answer: Body = {"status": "complete", **target.collection.act(call, target.raw, target.action, action)}
        if call.job:
            answer["job"] = {"id": call.job}
        address("Action", answer)
        return Answer(200, xml.write("action", "Action", answer))


_CREATION = re.compile(r".+/creation_status/([0-9a-f-]+)")
_CREATION_STATUS = {"started": "in_progress", "finished": "complete"}


def _creation(call: Call, path: str, job: str) -> Answer:
    """How far the making of an object is; the SDK has no type for it."""
    found = call.store.get("job", job)
    if found is None or call.method != "GET":
        raise not_found()
    status = _CREATION_STATUS.get(found["status"], "failed")
    body = f'<creation href="{API}{path}" id="{job}">\n    <status>{status}</status>\n</creation>\n'
    return Answer(200, (xml.PROLOGUE + body).encode())


def _nothing(call: Call, rel: str, segments: list[str]) -> Target:
    """A collection in which no object of the simulator ever has anything: it can be listed, and not added to."""
    if segments:
        raise not_found()
    if call.method != "GET":
        raise not_simulated(f"{call.method} on {rel!r}")
    key = "hostnumanodes" if rel == "numanodes" and "/hosts/" in call.base else rel
    return Target(_empty(key))


@cache
def _empty(rel: str) -> Collection:
    known = schema.load()
    by_rel = {plural.replace("_", ""): type_name for type_name, plural in known.plurals.items()}
    names = EMPTY_TYPES | by_rel

    class Empty(Collection):
        kind = f"never-{rel}"
        type_name = names[rel]
        methods = frozenset({"list"})

    return Empty()


# Collections whose type is not called like their address.
EMPTY_TYPES = {
    "enabledfeatures": "ClusterFeature",
    "externalnetworkproviders": "ExternalProvider",
    "externalnetworkproviderconfigurations": "ExternalNetworkProviderConfiguration",
    "fenceagents": "Agent",
    "files": "File",
    "hostlabels": "AffinityLabel",
    "hostnumanodes": "NumaNode",
    "katelloerrata": "KatelloErratum",
    "numanodes": "VirtualNumaNode",
    "storage": "HostStorage",
    "storageconnectionextensions": "StorageConnectionExtension",
    "vmlabels": "AffinityLabel",
}


def _allow(call: Call, collection: Collection, methods: Mapping[str, str]) -> None:
    name = methods.get(call.method)
    if name is None:
        raise Fault(405)
    if name not in collection.methods:
        raise not_simulated(f"{call.method} on {collection.rel!r}")


def _unknown(path: str) -> Fault:
    """404 as the engine would, or 501 where the engine has something there and this simulator does not."""
    from ovirtsdk4 import Error, services  # type: ignore[import-untyped]

    words = path.strip("/")
    try:
        services.SystemService(None, "").service(words)
    except Error:
        parent, _, last = words.rpartition("/")
        try:
            service = services.SystemService(None, "").service(parent)
        except Error:
            return not_found()
        actions = {name.replace("_", "") for name in dir(service) if not name.startswith("_") and not name.endswith("service")}
        if last not in actions - {"add", "get", "list", "remove", "update"}:
            return not_found()
    return not_simulated(f"{words!r}")

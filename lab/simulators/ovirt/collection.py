"""What all collections of the API have in common: finding, showing, checking bodies, references to other objects."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from lab.simulators.ovirt import schema, search
from lab.simulators.ovirt.engine import API, Call
from lab.simulators.ovirt.errors import Fault, conflict, entity_not_found, incomplete, not_simulated
from lab.simulators.ovirt.store import Body

# Where an object of a type is found that is only referred to by its id.
HOMES = {
    "Cluster": "clusters",
    "CpuProfile": "cpuprofiles",
    "DataCenter": "datacenters",
    "Disk": "disks",
    "DiskProfile": "diskprofiles",
    "Host": "hosts",
    "Icon": "icons",
    "Job": "jobs",
    "MacPool": "macpools",
    "Network": "networks",
    "NetworkFilter": "networkfilters",
    "SchedulingPolicy": "schedulingpolicies",
    "StorageDomain": "storagedomains",
    "Template": "templates",
    "User": "users",
    "Vm": "vms",
    "VnicProfile": "vnicprofiles",
}
DEFAULT_PAGE = 100
# Elements of an action that change nothing of what is done.
HARMLESS = frozenset({"async", "correlation_id", "filter", "grace_period", "id", "reason", "status", "timeout"})

# What a search compares with: one value of an object, or several.
Key = Callable[[Call, Body], Any]


class Collection:
    """One collection; what a kind does differently it overrides.

    `stored` elements of a body are kept, `ignored` ones an engine only reports and takes no notice of; others are refused as not
    simulated. `children` are the collections under each object, `empty` those of which no object here ever has any.
    """

    kind: ClassVar[str]
    type_name: ClassVar[str]
    rel: ClassVar[str]
    title: ClassVar[str] = ""
    stored: ClassVar[frozenset[str]] = frozenset()
    ignored: ClassVar[frozenset[str]] = frozenset()
    required: ClassVar[tuple[str, ...]] = ()
    references: ClassVar[Mapping[str, str]] = {}  # element -> kind in the store
    immutable: ClassVar[frozenset[str]] = frozenset()
    keys: ClassVar[Mapping[str, Key]] = {}
    children: ClassVar[Mapping[str, Collection]] = {}
    empty: ClassVar[tuple[str, ...]] = ()
    actions: ClassVar[tuple[str, ...]] = ()
    # Shown as the engine shows them, and refused as not simulated when used.
    more_links: ClassVar[tuple[str, ...]] = ()
    more_actions: ClassVar[tuple[str, ...]] = ()
    heeded: ClassVar[Mapping[str, tuple[str, ...]]] = {}  # action -> elements it takes
    methods: ClassVar[frozenset[str]] = frozenset({"list", "get", "add", "update", "remove"})
    unique_name: ClassVar[str] = ""  # what the engine says when a name is taken; empty where names may repeat

    @property
    def tag(self) -> str:
        """The element of one object."""
        return schema.load().tags[self.type_name]

    @property
    def plural(self) -> str:
        """The element of the whole collection."""
        return schema.load().plurals[self.type_name]

    def parent_id(self, call: Call) -> str:
        """Under which object the store keeps these."""
        return str(call.parent["id"]) if call.parents else ""

    def all(self, call: Call) -> list[Body]:
        """Every object, as the store has it."""
        return call.store.all(self.kind, self.parent_id(call))

    def find(self, call: Call, id: str) -> Body | None:
        """One object, as the store has it."""
        return call.store.get(self.kind, id, self.parent_id(call))

    def searched(self, call: Call) -> list[Body]:
        """The objects a list was asked for: searched, sorted, paged."""
        found = self.all(call)
        text = call.query.get("search", "")
        page = 1
        if text and not self.keys:
            raise search.invalid(f"{self.rel} cannot be searched.")
        if text:
            query = search.parse(text, self.keys)
            getters = {key: self._getter(call, getter) for key, getter in self.keys.items()}
            found = search.apply(query, found, getters, call.query.get("case_sensitive", "true").lower() != "false")
            page = query.page
        limit = call.query.get("max", "")
        if limit and not limit.lstrip("-").isdecimal():
            raise Fault(400, "Invalid value", f"{limit} is not a number for max")
        size = int(limit) if limit and int(limit) >= 0 else DEFAULT_PAGE if page > 1 or "page" in text.lower().split() else len(found)
        return found[(page - 1) * size : page * size]

    def _getter(self, call: Call, key: Key) -> search.Getter:
        def values(item: Body) -> list[Any]:
            value = key(call, item)
            return value if isinstance(value, list) else [value]

        return values

    def show(self, call: Call, raw: Body) -> Body:
        """An object as it is sent: its address, actions, links, and every reference with its address."""
        href = f"{call.base}/{raw['id']}"
        body: Body = {"href": href, "id": raw["id"]}
        if actions := sorted([*self.actions, *self.more_actions]):
            body["actions"] = [(name, f"{href}/{name}") for name in actions]
        body["links"] = [(rel, f"{href}/{rel}") for rel in self.link_rels(call, raw)]
        shown = {name: value for name, value in self.view(call, raw).items() if not name.startswith("_")}
        body |= {name: shown.pop(name) for name in ("name", "description", "comment") if name in shown}
        body |= shown
        address(self.type_name, body)
        return body

    def link_rels(self, call: Call, raw: Body) -> list[str]:
        """The collections under an object, by the names of their links."""
        return sorted([*self.children, *self.empty, *self.more_links])

    def view(self, call: Call, raw: Body) -> Body:
        """What is shown of an object, where that is not just what is kept."""
        return raw

    def add(self, call: Call, body: Body) -> Body:
        """Makes an object of a request's body."""
        for name in self.required:
            if body.get(name) in (None, "", {}):
                raise incomplete(self.title, name, "add")
        kept = self.accept(call, body, None)
        self.check_name(call, kept, None)
        return self.create(call, kept)

    def create(self, call: Call, body: Body) -> Body:
        """Makes an object of what was accepted."""
        return call.store.insert(self.kind, body, self.parent_id(call))

    def update(self, call: Call, raw: Body, body: Body) -> Body:
        """Changes an object by a request's body: elements that are not in it stay."""
        kept = self.accept(call, body, raw)
        for name in self.immutable & set(kept):
            if kept[name] != raw.get(name):
                raise Fault(400, "Broken immutability constraint", f"Attempt to set immutable field: {name}")
        self.check_name(call, kept, raw)
        return self.change(call, raw, kept)

    def change(self, call: Call, raw: Body, body: Body) -> Body:
        """Changes an object by what was accepted."""
        return call.store.save(self.kind, merged(raw, body), self.parent_id(call))

    def remove(self, call: Call, raw: Body, body: Body) -> None:
        """Makes an object not exist."""
        call.store.delete(self.kind, raw["id"], self.parent_id(call))
        call.store.delete_children(raw["id"])

    def act(self, call: Call, raw: Body, name: str, action: Body) -> Body:
        """Does what `POST .../{id}/{name}` asks for; returns what more its answer holds.

        An element that would change what is done, and that the simulator does not heed, is refused.
        """
        for element, value in action.items():
            if value and element not in HARMLESS and element not in self.heeded.get(name, ()):
                raise not_simulated(f"element {element!r} of action {name!r}")
        method = getattr(self, f"act_{name}")
        answer: Body = method(call, raw, action) or {}
        return answer

    def accept(self, call: Call, body: Body, raw: Body | None) -> Body:
        """The part of a body that is kept; what it refers to by name or id is found."""
        shown = self.view(call, raw) if raw else {}
        kept: Body = {}
        for name, value in body.items():
            if name in self.references:
                kept[name] = {"id": self.refer(call, name, value)["id"]}
            elif name in self.stored:
                kept[name] = value
            elif name != "id" and name not in self.ignored and name not in shown and not self._is_link(call, name, value, raw):
                raise not_simulated(f"element {name!r} of {self.tag!r}")
        return kept

    def _is_link(self, call: Call, name: str, value: Any, raw: Body | None) -> bool:
        """The SDK writes the links of an object it read as empty lists; an engine changes nothing by them."""
        plain = name.replace("_", "")
        # The NUMA nodes of a machine are called `host_numa_nodes` in documents and `numanodes` in addresses.
        names = {plain, plain.removeprefix("host")}
        return raw is not None and not value and bool(names & set(self.link_rels(call, raw)))

    def refer(self, call: Call, element: str, value: Any) -> Body:
        """The object an element names."""
        kind = self.references[element]
        title = schema.load().types[self.type_name][element].type
        if value.get("id"):
            found = call.store.get(kind, value["id"], None)
        elif value.get("name"):
            found = next((each for each in call.store.all(kind, None) if each.get("name") == value["name"]), None)
        else:
            raise incomplete(self.title, f"{element}.id|name", "add")
        if found is None:
            raise entity_not_found(title, f"id={value['id']}" if value.get("id") else f"name={value['name']}")
        return found

    def check_name(self, call: Call, body: Body, raw: Body | None) -> None:
        """Names that have to be the only one."""
        if not self.unique_name or "name" not in body or (raw and raw.get("name") == body["name"]):
            return
        if any(each.get("name") == body["name"] for each in self.all(call)):
            raise conflict(self.unique_name.format(action="edit" if raw else "add"))


def under(root: type[Collection], element: str) -> Collection:
    """The same collection under an object, with only those that refer to it; what is added there refers to it."""

    class Under(root):  # type: ignore[valid-type, misc]
        def all(self, call: Call) -> list[Body]:
            return [each for each in call.store.all(self.kind) if each.get(element, {}).get("id") == call.parent["id"]]

        def find(self, call: Call, id: str) -> Body | None:
            return next((each for each in self.all(call) if each["id"] == id), None)

        def parent_id(self, call: Call) -> str:
            return ""

        def add(self, call: Call, body: Body) -> Body:
            return super().add(call, body | {element: {"id": call.parent["id"]}})  # type: ignore[no-any-return]

    found: Collection = Under()
    return found


def merged(old: Body, new: Body) -> Body:
    """The new over the old, also inside structures; lists are replaced."""
    result = dict(old)
    for name, value in new.items():
        is_structure = isinstance(value, dict) and isinstance(old.get(name), dict) and "id" not in value
        result[name] = merged(old[name], value) if is_structure else value
    return result


def address(type_name: str, body: Body) -> None:
    """Gives every reference in a body its address."""
    fields = schema.load().types[type_name]
    for name, value in body.items():
        field = fields.get(name)
        if not field or field.kind != "one":
            continue
        for item in value if field.many else [value]:
            if not isinstance(item, dict):
                continue
            if item.get("id") and field.type in HOMES:
                item.setdefault("href", f"{API}/{HOMES[field.type]}/{item['id']}")
            address(field.type, item)


def is_uuid(text: str) -> bool:
    """Whether it has the form of an id."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def own(*path: str) -> Key:
    """A search key that is an element of the object itself."""

    def value(call: Call, raw: Body) -> Any:
        found: Any = raw
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return found

    return value


def name_of(element: str, kind: str) -> Key:
    """A search key that is the name of an object referred to."""

    def value(call: Call, raw: Body) -> Any:
        reference = raw.get(element)
        found = call.store.get(kind, reference["id"], None) if reference else None
        return found and found.get("name")

    return value

"""Answers against recordings of real engines: what is always there has to be there, and what never was must not be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from lab.simulators.ovirt.engine import Call
from lab.simulators.ovirt.router import Answer, Router

SHAPES: dict[str, Any] = json.loads((Path(__file__).parent / "shapes.json").read_text())
# Elements of the API's model that no recorded object happened to have.
BEYOND = {"network": {"vlan"}}
# Objects seen under others with elements of their place there; nobody recorded those.
PLACES = re.compile(
    r"/(clusters/[^/]+/networks|datacenters/[^/]+/storagedomains|storagedomains/[^/]+/vms|[^/]+/[^/]+/affinitygroups/.*)(/|$)"
)
TEMPLATES_DISKS = re.compile(r"/templates/[^/]+/diskattachments")


def compare(kind: str, element: ElementTree.Element, *, is_whole: bool = True) -> Iterator[str]:
    """What differs, as text. An answer with followed links, or to a creation, is not whole: its links are others."""
    shape = SHAPES[kind]
    where = f"{kind} {element.findtext('name') or element.get('id')}"
    have = {child.tag for child in element} - {"link", "actions", "creation_status"} | {f"@{name}" for name in element.attrib}
    yield from (f"{where}: {name} is missing" for name in sorted(set(shape["always"]) - have))
    if is_whole:
        known = set(shape["always"]) | set(shape["sometimes"]) | BEYOND.get(kind, set())
        yield from (f"{where}: {name} was never recorded" for name in sorted(have - known))
        links = {str(child.get("rel")) for child in element if child.tag == "link"}
        if links != set(shape["links"]):
            yield f"{where}: links {sorted(links ^ set(shape['links']))} differ"
    actions = {str(child.get("rel")) for child in element.findall("actions/link")}
    if actions != set(shape["actions"]):
        yield f"{where}: actions {sorted(actions ^ set(shape['actions']))} differ"
    for child in element:
        inner = {each.tag for each in child} | {f"@{name}" for name in child.attrib}
        recorded = set(shape["children"].get(child.tag, []))
        if is_whole and recorded and (extra := inner - recorded):
            yield f"{where}: {child.tag} has {sorted(extra)}, which was never recorded"


class Compared:
    """A router whose every answer is compared as it passes."""

    def __init__(self, router: Router) -> None:
        """In front of another."""
        self.router = router
        self.roots = router.roots
        self.problems: set[str] = set()
        self.count = 0

    def answer(self, call: Call, path: str, body: bytes) -> Answer:
        """The other's answer."""
        answer = self.router.answer(call, path, body)
        if answer.body and not PLACES.search(path) and not TEMPLATES_DISKS.search(path):
            root = ElementTree.fromstring(answer.body)  # noqa: S314 - our own
            is_whole = "follow" not in call.query and call.method != "POST" and "next_run" not in call.query
            for element in [root] if root.get("href") else root:
                if element.tag in SHAPES:
                    self.count += 1
                    self.problems |= {f"{call.method} {path}: {said}" for said in compare(element.tag, element, is_whole=is_whole)}
        return answer

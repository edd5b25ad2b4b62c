"""Documents of the API: strict reading by the schema, and writing as the engine writes."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from lab.errors import suggest
from lab.simulators.ovirt.errors import invalid_word, syntax
from lab.simulators.ovirt.schema import Field, load

Body = dict[str, Any]

PROLOGUE = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")
# What a client writes back after reading it; it means nothing in a request.
_ECHOED = ("link", "actions")


def read(text: bytes, type_name: str) -> Body:
    """A request's body, as dictionaries by element name.

    Raises Fault 400 for what is not XML, another type's document, an element or word the API does not have, or a bad number.
    """
    schema = load()
    if b"<!DOCTYPE" in text:
        raise syntax("A document type is not accepted.")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - see above
    except ElementTree.ParseError as error:
        raise syntax(f"The body is not XML: {error}.") from None
    found = schema.roots.get(root.tag)
    if found != (type_name, False):
        raise syntax(f"The body is a document {root.tag!r}, and this address takes {schema.tags[type_name]!r}.")
    return _struct(root, type_name)


def _struct(element: ElementTree.Element, type_name: str) -> Body:
    fields = load().types[type_name]
    body: Body = {}
    if "id" in element.attrib:
        body["id"] = element.attrib["id"]
    for child in element:
        if child.tag in _ECHOED:
            continue
        field = fields.get(child.tag)
        if field is None:
            where = load().tags[type_name]
            raise syntax(f"Element {child.tag!r} is not part of {where!r}; {suggest(child.tag, fields)}")
        body[child.tag] = [_item(item, field) for item in child] if field.many else _value(child, field)
    return body


def _item(element: ElementTree.Element, field: Field) -> Any:
    if element.tag != field.item:
        raise syntax(f"Element {element.tag!r} is in a list of {field.item!r}.")
    return _value(element, field)


def _value(element: ElementTree.Element, field: Field) -> Any:
    if field.kind == "one":
        return _struct(element, field.type)
    text = element.text or ""
    if field.kind == "string":
        return text
    if field.kind == "boolean" and text.lower() in ("true", "1", "false", "0"):
        return text.lower() in ("true", "1")
    if field.kind == "integer" and re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    if field.kind == "decimal" and re.fullmatch(r"[+-]?\d+(\.\d+)?", text):
        return float(text)
    if field.kind == "date" and _DATE.fullmatch(text):
        return text
    if field.kind == "enum":
        words = load().words[field.type]
        if text in words:
            return text
        raise invalid_word(text, field.type, suggest(text, words))
    raise syntax(f"{text!r} is not a value for {element.tag!r}, which takes a {field.kind}.")


def write(tag: str, type_name: str, body: Mapping[str, Any]) -> bytes:
    """One object as a document."""
    lines: list[str] = []
    _write_struct(lines, 0, tag, type_name, body)
    return (PROLOGUE + "\n".join(lines) + "\n").encode()


def write_list(plural: str, tag: str, type_name: str, bodies: Sequence[Mapping[str, Any]]) -> bytes:
    """A collection as a document."""
    lines = [f"<{plural}>"]
    for body in bodies:
        _write_struct(lines, 1, tag, type_name, body)
    lines.append(f"</{plural}>")
    return (PROLOGUE + "\n".join(lines if bodies else [f"<{plural}/>"]) + "\n").encode()


def _write_struct(lines: list[str], depth: int, tag: str, type_name: str, body: Mapping[str, Any]) -> None:
    fields = load().types[type_name]
    pad = "    " * depth
    attributes = "".join(f' {name}="{html.escape(str(body[name]))}"' for name in ("href", "id") if body.get(name) is not None)
    inner: list[str] = []
    if "actions" in body:
        _write_links(inner, depth + 2, body["actions"])
        inner = [f"{pad}    <actions>", *inner, f"{pad}    </actions>"] if inner else [f"{pad}    <actions/>"]
    _write_links(inner, depth + 1, body.get("links", ()))
    for name, value in body.items():
        if name in ("href", "id", "actions", "links") or name.startswith("_") or value is None:
            continue
        if name == "creation_status":  # an object's whose making goes on; the SDK does not read it
            inner.append(f"{pad}    <creation_status>{value}</creation_status>")
            continue
        _write_field(inner, depth + 1, name, fields[name], value)
    if not inner:
        lines.append(f"{pad}<{tag}{attributes}/>")
    else:
        lines += [f"{pad}<{tag}{attributes}>", *inner, f"{pad}</{tag}>"]


def _write_field(lines: list[str], depth: int, name: str, field: Field, value: Any) -> None:
    pad = "    " * depth
    if field.many:
        inner: list[str] = []
        for item in value:
            _write_value(inner, depth + 1, field.item, field, item)
        lines += [f"{pad}<{name}>", *inner, f"{pad}</{name}>"] if inner else [f"{pad}<{name}/>"]
    else:
        _write_value(lines, depth, name, field, value)


def _write_value(lines: list[str], depth: int, name: str, field: Field, value: Any) -> None:
    if field.kind == "one":
        _write_struct(lines, depth, name, field.type, value)
        return
    text = str(value).lower() if isinstance(value, bool) else str(value)
    # Never <x/>: the SDK reads that as None, and the engine does not write it for an empty text either.
    lines.append(f"{'    ' * depth}<{name}>{html.escape(text, quote=False)}</{name}>")


def _write_links(lines: list[str], depth: int, links: Sequence[tuple[str, str]]) -> None:
    lines += [f'{"    " * depth}<link href="{html.escape(href)}" rel="{html.escape(rel)}"/>' for rel, href in links]

"""Pydantic's errors as problems of a site file: in our words, at the line concerned, with a fix where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from lab.errors import Problem, suggest
from lab.site_fields import shown
from lab.site_yaml import Document, Location

_WANTED = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "float_type": "a number",
    "int_type": "a whole number",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "string_type": "text (in quotes if it looks like something else)",
    "tuple_type": "a list",
}
_LIMITS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}


def problems(error: ValidationError, document: Document, schema: dict[str, Any]) -> Iterator[Problem]:
    """Every error of a failed validation."""
    for item in error.errors(include_url=False):
        context = item.get("ctx", {})
        location, value = _written(item["loc"], document.data)
        known = _keys(item["loc"][:-1], schema)
        kind = item["type"]
        if kind == "strata":
            location = (*location, context["key"]) if context["key"] else location
            yield document.problem(location, context["message"], context["fix"])
        elif kind == "missing":
            yield document.problem((*location, item["loc"][-1]), "is required")
        elif kind == "extra_forbidden":
            yield document.problem(location, "unknown key", suggest(str(location[-1]), known))
        else:
            yield document.problem(*_translated(location, kind, context, value, item["msg"]))


def _translated(location: Location, kind: str, context: dict[str, Any], value: Any, said: str) -> tuple[Location, str, str]:
    if kind in _WANTED:
        return location, f"must be {_WANTED[kind]}, is {shown(value)}", ""
    if kind in _LIMITS:
        key, words = _LIMITS[kind]
        return location, f"must be {words} {context[key]}, is {shown(value)}", ""
    if kind == "too_short":
        return location, "must not be empty", ""
    if kind == "literal_error":
        wanted = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
        return location, f"must be {' or '.join(wanted)}, is {shown(value)}", suggest(value, wanted) if isinstance(value, str) else ""
    if kind == "union_tag_not_found":
        return location, "needs a kind", ""
    if kind == "union_tag_invalid":
        tags = [tag.strip(" '") for tag in context["expected_tags"].split(",")]
        return (*location, "kind"), f"there is no platform {shown(context['tag'])}", suggest(str(context["tag"]), tags)
    return location, said[:1].lower() + said[1:], ""


def _written(location: Location, data: Any) -> tuple[Location, Any]:
    """The part of a location that is in the file, and its value: Pydantic adds names of union branches and the like."""
    found: Location = ()
    for part in location:
        children: Any = data if isinstance(data, dict) else dict(enumerate(data)) if isinstance(data, tuple) else {}
        if part in children:
            data = children[part]
            found = (*found, part)
    return found, data


def _keys(location: Location, schema: dict[str, Any]) -> list[str]:
    """The keys that the model at a location knows, from the schema."""
    node = schema
    for part in location:
        for branch in _branches(node, schema):
            if part in branch.get("properties", {}):
                node = branch["properties"][part]
            elif isinstance(part, int) and "items" in branch:
                node = branch["items"]
            elif isinstance(branch.get("additionalProperties"), dict):
                node = branch["additionalProperties"]
            elif part in branch.get("discriminator", {}).get("mapping", {}):
                node = {"$ref": branch["discriminator"]["mapping"][part]}
            else:
                continue
            break
    return [key for branch in _branches(node, schema) for key in branch.get("properties", {})]


def _branches(node: dict[str, Any], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node, or what it refers to, or its alternatives."""
    if "$ref" in node:
        yield from _branches(schema["$defs"][node["$ref"].rsplit("/", 1)[-1]], schema)
        return
    yield node
    for branch in node.get("anyOf", ()):
        yield from _branches(branch, schema)

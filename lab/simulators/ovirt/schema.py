"""The types of the oVirt API: what elements each has, of what kind, and the words of every enumeration.

Read from the SDK, whose readers and writers are generated from the API's own model, so that a body is checked against the real model
and not against what we remember of it.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from enum import Enum
from functools import cache
from types import ModuleType


@dataclass(frozen=True)
class Field:
    """One element of a type: `kind` is string, integer, boolean, decimal, date, enum or one (a struct)."""

    kind: str
    type: str = ""
    many: bool = False
    item: str = ""


@dataclass(frozen=True)
class Schema:
    """All types by name, and for every document root its type and whether it is a list."""

    types: dict[str, dict[str, Field]]
    roots: dict[str, tuple[str, bool]]
    tags: dict[str, str]
    plurals: dict[str, str]
    words: dict[str, frozenset[str]]


_CLASS = re.compile(r"^class (\w+)(?:Reader|Writer)\((?:Reader|Writer)\):\n(.*?)(?=^class |\Z)", re.M | re.S)
_ELEMENT = re.compile(r"tag == '(\w+)':\n\s+obj\.\w+ = (\w+)\.read_(\w+)\((?:types\.(\w+), )?reader\)")
_ROOT = re.compile(r"^Reader\.register\('(\w+)', (\w+)Reader\.read_(one|many)\)", re.M)
_LIST = re.compile(r"Writer\.write_many\(obj\.\w+, writer, '(\w+)', '(\w+)'\)")
_WORDS = re.compile(r"writer\.write_start\('(\w+)'\)\n\s+for .*\n.*\n\s+Writer\.write_\w+\(writer, '(\w+)'")
_TAG = re.compile(r"singular = '(\w+)'")
# What the SDK reads as a plain list without ever writing it, so that its writers do not say what an item is called.
_ITEMS = {"dns_servers": "dns_server", "name_servers": "name_server", "transport_types": "transport_type"}


@cache
def load() -> Schema:
    """The schema of the installed SDK."""
    from ovirtsdk4 import readers, types, writers  # type: ignore[import-untyped]  # lazily: it is 2 MB of Python

    items: dict[tuple[str, str], str] = {}
    tags: dict[str, str] = {}
    for name, block in _CLASS.findall(inspect.getsource(writers)):
        tags[name] = _TAG.findall(block)[0]
        items.update({(name, plural): singular for singular, plural in _LIST.findall(block)})
        items.update({(name, plural): singular for plural, singular in _WORDS.findall(block)})
    source = inspect.getsource(readers)
    found: dict[str, dict[str, Field]] = {}
    for name, block in _CLASS.findall(source):
        fields = {}
        for tag, reader, how, enum in _ELEMENT.findall(block):
            if reader != "Reader":
                of = reader.removesuffix("Reader")
                fields[tag] = Field("one", of, how == "many", items.get((name, tag)) or tags[of])
            else:
                many = how.endswith("s")
                kind = how.removesuffix("s")
                fields[tag] = Field(kind, enum, many, items.get((name, tag)) or _ITEMS.get(tag, tag.removesuffix("s")))
        found[name] = fields
    roots = {tag: (name, how == "many") for tag, name, how in _ROOT.findall(source)}
    plurals = {name: tag for tag, (name, is_list) in reversed(roots.items()) if is_list}
    return Schema(found, roots, tags, plurals, _words(types))


def _words(types: ModuleType) -> dict[str, frozenset[str]]:
    return {name: frozenset(word.value for word in value) for name, value in inspect.getmembers(types, _is_enum)}


def _is_enum(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, Enum) and value is not Enum

"""YAML with line numbers: plain data, and the line on which each part of it stands.

Stricter than a plain load where leniency hides mistakes: duplicate keys, aliases and tags are refused, and a MAC address that
YAML 1.1 would read as a number of base 60 stays text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab.errors import Problem, SiteError

Location = tuple[str | int, ...]
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # C is ten times as fast, where libyaml is there
_DEPTH = 50
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Document:
    """The data of one file and where its parts stand."""

    file: Path
    data: Any
    lines: dict[Location, int] = field(repr=False)

    def line(self, location: Location) -> int:
        """The line of a location, or of the nearest part around it that is written down."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)

    def problem(self, location: Location, message: str, fix: str = "") -> Problem:
        """A problem at a location of this file."""
        return Problem(self.file, self.line(location), dotted(location), message, fix)


def dotted(location: Location) -> str:
    """`("users", 0, "name")` as an operator reads it: `users[0].name`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".")


def read(file: Path) -> Document:
    """Read one file; anything that keeps it from being plain data is a SiteError."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SiteError([Problem(file, 1, "", "there is no such file")]) from None
    except (OSError, UnicodeError) as error:
        raise SiteError([Problem(file, 1, "", f"cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}")]) from None
    return parse(text, file)


def parse(text: str, file: Path) -> Document:
    """Turn YAML text into a Document."""
    try:
        _refuse_depth(text, file)
        node = yaml.compose(text, Loader=_Loader)
        if node is None:
            raise SiteError([Problem(file, 1, "", "the file is empty")])
        reader = _Reader(file)
        data = reader.value(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # Only the parser's own words: its snippet of the text could hold a secret.
        said = " ".join(filter(None, (error.context, error.problem)))
        raise SiteError([Problem(file, mark.line + 1 if mark else 1, "", f"this is not YAML: {said}")]) from None
    except yaml.YAMLError:
        raise SiteError([Problem(file, 1, "", "this is not YAML: it holds characters that YAML does not allow")]) from None
    if reader.problems:
        raise SiteError(reader.problems)
    return Document(file, data, reader.lines)


def _refuse_depth(text: str, file: Path) -> None:
    """Refuse what is nested deeper than any site: composing it recurses in C, where too deep ends the process."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise SiteError([Problem(file, line, "", f"this is nested deeper than {_DEPTH} levels")])


class _Reader:
    """Walks the nodes of one file and collects data, lines and problems."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lines: dict[Location, int] = {}
        self.problems: list[Problem] = []
        self._seen: set[int] = set()

    def value(self, node: yaml.Node, location: Location) -> Any:
        """The data of a node; notes its line unless its key has done so."""
        self.lines.setdefault(location, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, location)
        if id(node) in self._seen:
            return self._refuse(node, location, "aliases are not supported", "write the value out")
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return dict(self._pairs(node, location))
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return tuple(self.value(item, (*location, index)) for index, item in enumerate(node.value))
        return self._refuse(node, location, "tags, as the word after ! is one, are not supported", "remove it, or put the value in quotes")

    def _pairs(self, node: yaml.MappingNode, location: Location) -> Iterator[tuple[str, Any]]:
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != f"{_TAG}str":
                shown = key_node.value if isinstance(key_node, yaml.ScalarNode) else "a collection"
                self._refuse(key_node, location, f"key {shown} is not text", "" if shown == "<<" else "put it in quotes")
                continue
            key = key_node.value
            if key in first:
                message = f"key {key} is there twice, first on line {first[key]}"
                self._refuse(key_node, (*location, key), message, "remove one of the two")
                continue
            first[key] = line
            self.lines[(*location, key)] = line
            yield key, self.value(value_node, (*location, key))

    def _scalar(self, node: yaml.ScalarNode, location: Location) -> Any:
        kind, text = node.tag.removeprefix(_TAG), str(node.value)
        if kind in {"str", "timestamp"} or (kind in {"int", "float"} and ":" in text):
            return text
        if kind == "null":
            return None
        try:
            if kind == "bool":
                return yaml.SafeLoader.bool_values[text.lower()]
            if kind in {"int", "float"}:
                constructor: Any = yaml.constructor.SafeConstructor()
                return constructor.construct_yaml_int(node) if kind == "int" else constructor.construct_yaml_float(node)
        except (ValueError, KeyError):
            return self._refuse(node, location, f"this is not a value of type {kind}")
        return self._refuse(node, location, "tags, as the word after ! is one, are not supported", "remove it, or put the value in quotes")

    def _refuse(self, node: yaml.Node, location: Location, message: str, fix: str = "") -> None:
        # An alias is where its key is, not where its anchor is; of a key that is there twice, the second one is meant.
        line = self.lines[location] if message.startswith("aliases") else node.start_mark.line + 1
        self.problems.append(Problem(self.file, line, dotted(location), message, fix))

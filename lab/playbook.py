"""What a playbook says about itself: the roles it uses, the groups it is for, the files it is made of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from lab.errors import LabError

ROLE_TASKS = frozenset({"import_role", "include_role", "ansible.builtin.import_role", "ansible.builtin.include_role"})
PROGRAMS = ("lab/plugins/modules", "lab/platforms")  # what role `machine` does is written there
NOT_SOURCES = frozenset({"README.md", ".gitkeep"})  # they do not change what a role does


def named_roles(path: Path) -> list[str]:
    """The roles a playbook names itself, in the order of their first use."""
    return list(dict.fromkeys(_roles_in(_read(path))))


def used_roles(path: Path, roles: Path) -> list[str]:
    """The roles a playbook names, and those which these use in turn."""
    found: dict[str, None] = {}
    todo = named_roles(path)
    while todo:
        name = todo.pop(0)
        if name in found or not (roles / name).is_dir():
            continue
        found[name] = None
        for folder in ("tasks", "handlers", "meta"):
            for file in sorted((roles / name / folder).rglob("*.yml")):
                todo.extend(_roles_in(_read(file)))
    return list(found)


def groups(path: Path) -> set[str]:
    """The groups named in the `hosts` of a playbook's plays."""
    patterns = [str(play.get("hosts", "")) for play in _read(path) if isinstance(play, dict)]
    return {word.lstrip("!&") for pattern in patterns for word in re.split(r"[:,\s]+", pattern) if word}


def members(inventory: Mapping[str, Any], group: str) -> set[str]:
    """The machines of a group and of the groups within it, in an inventory as `ansible-inventory --list` shows it."""
    data = inventory.get(group, {})
    return set(data.get("hosts", [])).union(*(members(inventory, inner) for inner in data.get("children", [])))


def machines(path: Path, inventory: Mapping[str, Any], role: str = "") -> set[str]:
    """The machines a playbook is played on; with `role` by the plays that name it."""
    plays = [play for play in _read(path) if isinstance(play, dict) and (not role or role in _roles_in([play]))]
    return set().union(*(matching(str(play.get("hosts", "")), inventory) for play in plays))


def matching(pattern: str, inventory: Mapping[str, Any]) -> set[str]:
    """The machines a pattern means: groups and machines, `!` without them, `&` only them, in any order as Ansible has it."""
    hosts = set(inventory["_meta"]["hostvars"])
    words = [word for word in re.split(r"[:,\s]+", pattern) if word]

    def named(word: str) -> set[str]:
        return hosts if word == "all" else members(inventory, word) | ({word} & hosts)

    found: set[str] = set().union(*(named(word) for word in words if word[0] not in "!&"))
    for word in words:
        if word[0] == "&":
            found &= named(word[1:])
    return found.difference(*(named(word[1:]) for word in words if word[0] == "!"))


def files(path: Path, roles: Path) -> list[Path]:
    """The playbook and every file of its roles that can change what it does."""
    found = [path]
    for name in used_roles(path, roles):
        found += [file for file in sorted((roles / name).rglob("*")) if file.is_file() and _is_source(file)]
    return found


def programs(root: Path, more: tuple[str, ...] = ()) -> list[Path]:
    """The files below a project that decide what our modules do; `more` folders where a stage's own modules need them."""
    return [file for folder in (*PROGRAMS, *more) for file in sorted((root / folder).rglob("*")) if file.is_file() and _is_source(file)]


def _is_source(file: Path) -> bool:
    return file.name not in NOT_SOURCES and "__pycache__" not in file.parts and not file.name.endswith((".swp", "~"))


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or []
    except OSError as error:
        raise LabError(
            f"{path}: cannot be read: {error.strerror}; fix: every stage needs its playbook and roles, restore the file"
        ) from error
    except yaml.YAMLError as error:
        raise LabError(f"{path}: is no valid YAML: {error}") from error


def _roles_in(node: Any) -> Iterator[str]:
    """Role names anywhere below a node: in `roles:` and `dependencies:` lists, and in role tasks within blocks."""
    if isinstance(node, list):
        for item in node:
            yield from _roles_in(item)
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key in {"roles", "dependencies"} and isinstance(value, list):
            yield from (name for item in value if (name := _name(item)))
        elif key in ROLE_TASKS and (name := _name(value)):
            yield name
        else:
            yield from _roles_in(value)


def _name(item: Any) -> str:
    if isinstance(item, str):
        return item
    return str(item.get("role") or item.get("name") or "") if isinstance(item, dict) else ""

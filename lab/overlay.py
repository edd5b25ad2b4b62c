"""A site in which one machine is played by another: what a drill gives to Ansible and to the checks in place of site.yml.

The machine keeps its name, groups and role variables; how to reach it, and what makes it exist, are those of its stand-in. It is a small
file of its own that names the site, and its ending is what our inventory plugin goes by: whoever gives a site.yml gets that site.
"""

from __future__ import annotations

import json
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import private_file
from lab.errors import InputError

ENDING = ".stand-in.yml"
OF_THE_STAND_IN = ("ansible_", "machine_")
# Its own name in the system's configuration, and the time server of the subnet it stands in.
ALSO_OF_THE_STAND_IN = ("baseline_hostname", "baseline_ntp_servers")
# What roles have to know of a drill, by the group of the machine: a copy of a git server calls and mirrors nobody.
TOLD: Mapping[str, Mapping[str, Any]] = {"git": {"git_server_is_drill": True}}


@dataclass(frozen=True)
class StandIn:
    """Who plays whom, and where."""

    site: Path
    machine: str
    by: str


def path_of(folder: Path, machine: str) -> Path:
    """Where the file for a machine is."""
    return folder / f"{machine}{ENDING}"


def is_one(path: Path) -> bool:
    """Whether a file given as inventory is such a file and not a site."""
    return path.name.endswith(ENDING)


def write(path: Path, played: StandIn) -> Path:
    """Writes the file; JSON, which is YAML too."""
    private_file.write(path, json.dumps({"site": str(played.site), "machine": played.machine, "by": played.by}) + "\n")
    return path


def read(path: Path) -> StandIn:
    """Who plays whom; raises InputError where the file does not say it."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return StandIn(Path(data["site"]), str(data["machine"]), str(data["by"]))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; fix: ./inv drill writes it") from error
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: does not say which machine is played by which; fix: remove it, ./inv drill writes it anew") from None


def apply(inventory: dict[str, Any], machine: str, by: str) -> dict[str, Any]:
    """The inventory with `machine` played by `by`, which has no name of its own any more; the one given stays as it is.

    Raises InputError where either is no machine of the inventory.
    """
    hosts = inventory["_meta"]["hostvars"]
    for name in (machine, by):
        if name not in hosts:
            raise InputError(f"machine {name}: the site has no such machine; fix: one of {', '.join(sorted(hosts))}")
    kept = {key: value for key, value in hosts[machine].items() if not _is_of_the_stand_in(key)}
    taken = {key: value for key, value in hosts[by].items() if _is_of_the_stand_in(key)}
    told = [variables for group, variables in TOLD.items() if machine in inventory.get(group, {}).get("hosts", ())]
    changed = {group: _members(group, data, machine, by) for group, data in inventory.items() if group != "_meta"}
    others = {name: variables for name, variables in hosts.items() if name not in (machine, by)}
    return {**changed, "_meta": {"hostvars": {**others, machine: dict(ChainMap(*map(dict, told), taken, kept))}}}


def _is_of_the_stand_in(variable: str) -> bool:
    return variable.startswith(OF_THE_STAND_IN) or variable in ALSO_OF_THE_STAND_IN


def _members(group: str, data: dict[str, Any], machine: str, by: str) -> dict[str, Any]:
    if "hosts" not in data:
        return data
    if group.startswith("platform_"):  # of the platform that makes it exist now
        names = [name for name in data["hosts"] if name != machine]
        return {**data, "hosts": [machine if name == by else name for name in names]}
    return {**data, "hosts": [name for name in data["hosts"] if name != by]}

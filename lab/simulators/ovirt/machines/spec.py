"""What the simulator has to know of the site it plays the engine of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import InputError, suggest

BACKENDS = ("auto", "vm", "container")
KEYS = ("folder", "site", "project", "engine", "hypervisors", "backend", "suite", "password_file")
ENGINE_KEYS = ("container", "address", "fqdn")


@dataclass(frozen=True)
class Spec:
    """One simulator. `hypervisors` is address -> container; `owner` is the label `strata.owner` of the machines it makes."""

    folder: Path
    site: str
    owner: str
    engine_container: str
    engine_address: str
    engine_fqdn: str
    hypervisors: Mapping[str, str]
    backend: str
    suite: str
    password_file: Path

    @property
    def digest(self) -> str:
        """Another one for every other content."""
        fields = {name: str(value) for name, value in vars(self).items() if name != "hypervisors"}
        return hashlib.sha256(json.dumps([fields, dict(self.hypervisors)], sort_keys=True).encode()).hexdigest()[:12]


def read(given: Mapping[str, Any]) -> Spec:
    """The spec a playbook gives: `{folder, site, project, engine: {container, address, fqdn}, hypervisors: {address: container}, backend,
    suite, password_file}`.

    Raises InputError naming every key that is missing, unknown or wrong.
    """
    wrong = [f"{key} is missing" for key in KEYS if not given.get(key)]
    wrong += [f"{key} is unknown ({suggest(key, KEYS)})" for key in given if key not in KEYS]
    engine = given.get("engine") or {}
    wrong += [f"engine.{key} is missing" for key in ENGINE_KEYS if given.get("engine") and not engine.get(key)]
    if given.get("backend") and given["backend"] not in BACKENDS:
        wrong.append(f"backend {given['backend']!r} does not exist ({suggest(given['backend'], BACKENDS)})")
    if wrong:
        raise InputError(f"oVirt simulator: {'; '.join(wrong)}; fix: give it as lab/simulators/ovirt/README.md says")
    return Spec(
        Path(given["folder"]).absolute(),
        given["site"],
        given["project"],
        engine["container"],
        engine["address"],
        engine["fqdn"],
        dict(given["hypervisors"]),
        given["backend"],
        given["suite"],
        Path(given["password_file"]).absolute(),
    )


def load(file: Path) -> Spec:
    """The spec in a file that `service.ensure` wrote."""
    return read(json.loads(file.read_text(encoding="utf-8")))

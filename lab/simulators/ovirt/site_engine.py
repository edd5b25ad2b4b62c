"""The simulated engine of a site: what its machines' variables say, in the words of `service`; for `up`, `down` and `status`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab import private_file
from lab.change import Change
from lab.simulators.ovirt import service

ADMIN_FILE = "admin-password"
ROLE = "ovirt_simulator_"


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of `service` from `{folder, site, owner, engine, hypervisors, backend, suite}`."""
    spec = {key: options[key] for key in ("folder", "site", "engine", "hypervisors", "backend", "suite")}
    return spec | {"project": options["owner"], "password_file": str(Path(options["folder"]) / ADMIN_FILE)}


def of_inventory(inventory: Mapping[str, Any]) -> dict[str, Any] | None:
    """The options of the site's simulator, as its machine's variables say them; None where the site has none."""
    names = inventory.get("ovirt_simulator", {}).get("hosts", [])
    if not names:
        return None
    return options_of(inventory["_meta"]["hostvars"][names[0]])


def options_of(variables: Mapping[str, Any]) -> dict[str, Any]:
    """What role ovirt_simulator is given on a machine."""
    return {"backend": "auto"} | {key.removeprefix(ROLE): value for key, value in variables.items() if key.startswith(ROLE)}


def ensure(options: Mapping[str, Any], *, check: bool = False) -> Change:
    """Makes it serve, with the password that the site gives it: `options` as for `given`, and `password`."""
    spec = given(options)
    file = Path(spec["password_file"])
    text = options["password"] + "\n"
    if not check and (not file.is_file() or file.read_text(encoding="utf-8") != text):
        private_file.write(file, text)
    return service.ensure(spec, check=check)


def remove(options: Mapping[str, Any], *, check: bool = False) -> Change:
    """Ends it; its VMs, disks and all it knows are gone with it."""
    spec = given(options)
    change = service.remove(spec, check=check)
    if not check:
        file = Path(spec["password_file"])
        file.unlink(missing_ok=True)
        if file.parent.is_dir() and not any(file.parent.iterdir()):
            file.parent.rmdir()
    return change


def described(options: Mapping[str, Any]) -> str:
    """In words: whether it runs, and what its VMs are."""
    spec = given(options)
    backend = service.ensure(spec, check=True).facts["backend"]
    return f"{backend}; {'runs' if service.is_running(spec) else 'does not run'}"

"""Finds a site by what an operator types."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import InputError, suggest
from lab.stages import ROOT

if TYPE_CHECKING:
    from lab.site import Site

DEFAULT = "rehearsal"
NOT_MADE_YET = "(not made yet)"  # stands for a secret that `up` would generate


def site(name: str = DEFAULT, root: Path = ROOT) -> Path:
    """The site.yml of a site: by its name (its folder under inventories), or by the path of the file or its folder."""
    named = root / "inventories" / name / "site.yml"
    if "/" not in name and named.is_file():
        return named
    given = Path(name).resolve()
    for candidate in (given, given / "site.yml"):
        if ("/" in name or name.endswith(".yml")) and candidate.is_file():
            return candidate
    known = [path.parent.name for path in (root / "inventories").glob("*/site.yml")]
    raise InputError(f"site {name}: there is no inventories/{name}/site.yml; fix: {suggest(name, known) or 'write one'}")


def enter_sandbox(site_path: Path) -> None:
    """Starts this process again where containers work, if the site has any; returns at once when it is there already."""
    from lab import sandbox  # here and not above: most verbs need neither, and have to start at once
    from lab import site as sites

    if any(machine.platform.kind != "metal" for machine in sites.load(site_path).machines.values()):
        sandbox.enter()


def inventory(site: Site) -> dict[str, Any]:
    """The inventory for those who only look at a site: a secret that `up` has yet to generate is written as such."""
    from lab import inventory as inventories
    from lab import secrets

    known = secrets.read(site.directory)
    missing = dict.fromkeys(secrets.references(site), NOT_MADE_YET) if site.secrets == "generated" else {}
    return inventories.build(site, missing | known)

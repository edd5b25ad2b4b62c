"""What is allowed in a site and yet should be thought over: said by `validate` and `up`, and never an error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lab import site as sites
from lab import site_yaml
from lab.errors import Problem
from lab.sections import backup

WARNINGS = backup.WARNINGS


def of(site: sites.Site) -> list[Problem]:
    """Every warning about a site, in the order of its file."""
    found = [warning for check in WARNINGS for warning in check(site)]
    if not found:
        return []
    document = site_yaml.read(site.path)
    problems = [document.problem(one.location, one.message, one.fix) for one in found]
    return sorted((replace(one, message=f"warning: {one.message}") for one in problems), key=lambda one: one.line)


def validate(site_path: Path) -> None:
    """Prints the warnings of a site file and that it is fine; a file that is not is refused by loading it."""
    site = sites.load(site_path)
    for warning in of(site):
        print(warning)
    print(f"{site_path}: fine, {len(site.machines)} machines")

"""The secrets of a site: secrets.yml beside site.yml, readable by its owner alone. No message ever holds a value."""

from __future__ import annotations

import secrets
import stat
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import private_file, site_yaml
from lab.errors import InputError, SiteError
from lab.site_checks import Finding
from lab.site_model import Model, SecretReference
from lab.site_yaml import Location

if TYPE_CHECKING:
    from lab.site import Site

FILE = "secrets.yml"
NOT_MADE_YET = "(not made yet)"


def read(directory: Path) -> dict[str, str]:
    """The secrets of the site in this directory; none when there is no file."""
    file = directory / FILE
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except FileNotFoundError:
        return {}
    if mode & 0o077:
        raise InputError(f"{file}: others may read it (mode {mode:04o}); fix: chmod 600 {file}")
    if not file.read_text(encoding="utf-8", errors="replace").strip():
        return {}
    try:
        document = site_yaml.read(file)
    except SiteError as error:  # what a parser says of broken text can quote it
        raise SiteError(replace(problem, message=problem.message.split(":")[0]) for problem in error.problems) from None
    if not isinstance(document.data, dict):
        raise SiteError([document.problem((), "must be a mapping of names to secrets")])
    problems = [
        document.problem((name,), "must be text", "put it in quotes")
        for name, value in document.data.items()
        if not isinstance(value, str) or not value
    ]
    if problems:
        raise SiteError(problems)
    return dict(document.data)


def known_or_named(site: Site) -> dict[str, str]:
    """The secrets of a site for those who only look: one that `up` would still make is there as a word that says so."""
    wanted = dict.fromkeys(references(site), NOT_MADE_YET) if site.secrets == "generated" else {}
    return wanted | read(site.directory)


def references(site: Site) -> dict[str, Location]:
    """The names of the secrets a site uses, each with the first place that does."""
    found: dict[str, Location] = {}
    for location, reference in _references(site, ()):
        found.setdefault(reference.secret, (*location, "secret"))
    return found


def _references(node: Any, location: Location) -> Iterator[tuple[Location, SecretReference]]:
    if isinstance(node, SecretReference):
        yield location, node
    elif isinstance(node, Model):
        for name, field in type(node).model_fields.items():
            yield from _references(getattr(node, name), (*location, field.alias or name))
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield from _references(value, (*location, key))
    elif isinstance(node, tuple):
        for index, value in enumerate(node):
            yield from _references(value, (*location, index))


def generate_missing(site: Site) -> tuple[str, ...]:
    """Make what a site with `secrets: generated` uses and does not have yet; returns the names of what was made."""
    if site.secrets != "generated":
        return ()
    have = read(site.directory)
    names = tuple(name for name in references(site) if name not in have)
    if names:
        file = site.directory / FILE
        before = file.read_text(encoding="utf-8") if file.exists() else "# Made by `inv up`, one line per secret. Never commit this file.\n"
        if not before.endswith("\n"):
            before += "\n"
        private_file.write(file, before + "".join(f'{name}: "{secrets.token_urlsafe(24)}"\n' for name in names))
    return names


def missing(site: Site) -> Iterator[Finding]:
    """What a site with `secrets: provided` uses and does not have."""
    if site.secrets != "provided" or not (wanted := references(site)):
        return
    file = site.directory / FILE
    try:
        have = read(site.directory)
    except SiteError as error:
        yield from (Finding(("secrets",), str(problem)) for problem in error.problems)
        return
    except InputError as error:
        yield Finding(("secrets",), str(error))
        return
    for name, location in wanted.items():
        if name not in have:
            yield Finding(
                location, f"there is no secret {name} in {file}", f"add the line `{name}: ...` to it (mode 0600), or say secrets: generated"
            )

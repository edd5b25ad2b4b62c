"""Section `git` of a site file: who may do what with which repository."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from lab.errors import suggest
from lab.site_checks import Check, Finding
from lab.site_fields import Name, PublicKey, UserName, refuse, shown
from lab.site_model import Model, SecretReference

if TYPE_CHECKING:
    from lab.site import Site

CONTROLLER = "controller"  # the machine the lab is built from, with the site's own key
PROJECT = "strata"  # where the stage pushes this project to
_RESERVED_USERS = (CONTROLLER, "admin", "all", "check-member", "check-stranger", "daemon", "git", "gitweb")
_RESERVED_REPOSITORIES = re.compile(r"(checks|gitolite-admin)(/.*)?")


def _repository(value: str) -> str:
    part = r"[a-z0-9][a-z0-9_-]*(\.[a-z0-9_-]+)*"
    if not re.fullmatch(rf"{part}(/{part})*", value) or value.endswith(".git"):
        mended = re.sub(r"[^a-z0-9/_.-]+", "-", value.lower().removesuffix(".git")).strip("-./")
        fix = f"did you mean {mended}?" if mended and mended != value else ""
        refuse(f"{shown(value)} is not the name of a repository: lower case letters, digits, - _ . and /, without .git", fix)
    if _RESERVED_REPOSITORIES.fullmatch(value):
        refuse(f"{value} is a name the git server needs for itself", "choose another name")
    return value


def _mirror(value: str) -> str:
    parts = urlsplit(value)
    if parts.password is not None or (parts.scheme == "https" and parts.username is not None):
        fix = "take it out and change it, for it has been shown; then name it in git.credentials: {host, user, password: {secret: NAME}}"
        refuse(f"the URL of {parts.hostname} has a user or password in it", fix)
    if parts.scheme not in ("https", "ssh") or not parts.hostname or not parts.path.strip("/"):
        refuse(f"{shown(value)} is not the URL of a repository", "write it as https://HOST/PATH.git or ssh://git@HOST/PATH.git")
    return value


def _web(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or re.search(r"\s", value):
        refuse(f"the URL of {parts.hostname or 'nobody'} cannot be called", "write it as https://HOST/PATH, without user and password")
    return value


def _line(value: str) -> str:
    if not value.isprintable() or '"' in value or len(value) > 200:
        refuse("must be one line without double quotes, of at most 200 characters")
    return value


def _host_key(value: str) -> str:
    if len(value.split()) < 3 or not value.isprintable():
        refuse(f"{shown(value)} is not a line of a known_hosts file", "write it as `HOST ssh-ed25519 AAAA...`, as its owner publishes it")
    return value


def _user(value: str) -> str:
    if value in _RESERVED_USERS:
        refuse(f"{value} is a name the git server needs for itself", "choose another name")
    return value


RepositoryName = Annotated[str, AfterValidator(_repository)]
MirrorUrl = Annotated[str, AfterValidator(_mirror)]
WebUrl = Annotated[str, AfterValidator(_web)]
Line = Annotated[str, AfterValidator(_line)]
HostKeyLine = Annotated[str, AfterValidator(_host_key)]
GitUserName = Annotated[UserName, AfterValidator(_user)]


class GitUser(Model):
    """Someone who uses repositories; needs no account on any machine."""

    name: GitUserName
    keys: tuple[PublicKey, ...] = ()
    password: SecretReference | None = Field(None, description="for HTTPS; absent: only SSH")


class Hooks(Model):
    """What happens after a push."""

    on_push: WebUrl | None = Field(None, description="called (POST, a form as Buildbot's `base` hook reads it) for each pushed ref")


class Repository(Model):
    """One repository and who may use it. Administrators may do everything."""

    description: Line = ""
    private: bool = Field(True, description="false: every git user may read it, and the web page shows it to everyone")
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    mirror_to: MirrorUrl | None = Field(None, description="pushed there, whole, by a timer")
    mirror_from: MirrorUrl | None = Field(None, description="fetched from there by a timer; nobody may write")
    hooks: Hooks = Hooks()

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.mirror_from is not None and self.write:
            refuse("what is mirrored from elsewhere would overwrite what is pushed here", "remove write, or mirror_from", "write")
        return self


class Credential(Model):
    """How the server logs in where it mirrors to or from over HTTPS."""

    host: Line
    user: Line
    password: SecretReference


class Git(Model):
    """The lab's git server: a machine of group git."""

    flavour: Literal["gitolite", "forgejo"] = "gitolite"
    name: Name | None = Field(None, description="the name in the URLs: the machine's (default), or of a record that leads to it")
    administrators: tuple[str, ...] = Field((), description="users of the site whose keys may do everything with every repository")
    users: tuple[GitUser, ...] = ()
    repositories: dict[RepositoryName, Repository] = Field(default_factory=dict)
    clients: tuple[str, ...] = Field((), description="subnets that may use it; default: all that the router lets through")
    push_project: bool = Field(True, description=f"push this project, as it is checked out, to repository {PROJECT}")
    mirror_minutes: Annotated[int, Field(ge=1, le=1440)] = 15
    known_hosts: tuple[HostKeyLine, ...] = Field((), description="host keys of servers that are mirrored over SSH")
    credentials: tuple[Credential, ...] = ()


def machine_of(site: Site) -> str | None:
    """The machine that is the git server."""
    return next((name for name, machine in site.machines.items() if "git" in machine.groups), None)


def people(git: Git) -> list[str]:
    """Everyone who may be named in a repository's rights, once each."""
    return list(dict.fromkeys([*git.administrators, *(user.name for user in git.users)]))


def flavour_is_built(site: Site) -> Iterator[Finding]:
    """Only what was proven is offered."""
    if site.git and site.git.flavour != "gitolite":
        message = f"{site.git.flavour} is planned, but no role installs it yet"
        yield Finding(("git", "flavour"), message, "flavour: gitolite; repositories and users keep their meaning")


def server_exists(site: Site) -> Iterator[Finding]:
    """Exactly one machine is the git server."""
    found = [name for name, machine in site.machines.items() if "git" in machine.groups]
    if site.git and not found:
        yield Finding(("git",), "no machine is in group git", "add git to the groups of the one that shall serve it, or remove the section")
    for name in found[1:]:
        message = f"{name} is in group git, but so is {found[0]}, and there can be only one"
        yield Finding(("machines", name, "groups"), message, "take it out of the group")


def name_leads_to_the_server(site: Site) -> Iterator[Finding]:
    """The name in the URLs is one of the git machine's."""
    machine = machine_of(site)
    if site.git and machine and site.git.name and site.git.name not in (names := names_of(site, machine)):
        fix = f"add the record {{name: {site.git.name}, machine: {machine}}}, or use {' or '.join(names)}"
        yield Finding(("git", "name"), f"{site.git.name} does not lead to {machine}, the git server", fix)


def names_of(site: Site, machine: str) -> list[str]:
    """A machine's name and those of the records that lead to its address."""
    addresses = {interface.address for interface in site.machines[machine].interfaces.values()}
    return [machine, *(record.name for record in site.network.records if record.address in addresses and record.name != machine)]


def administrators_are_users(site: Site) -> Iterator[Finding]:
    """Administrators are users of the site."""
    known = [user.name for user in site.users]
    for index, name in enumerate(site.git.administrators if site.git else ()):
        if name not in known:
            yield Finding(("git", "administrators", index), f"the site has no user {name}", suggest(name, known) or "add the user")


def git_users_are_unique(site: Site) -> Iterator[Finding]:
    """A git user is written down once. An administrator may be one too, to get a password for HTTPS."""
    seen: set[str] = set()
    for index, user in enumerate(site.git.users if site.git else ()):
        if user.name in seen:
            yield Finding(("git", "users", index, "name"), f"there is a git user {user.name} already", "keep one of the two")
        seen.add(user.name)


def git_keys_are_unique(site: Site) -> Iterator[Finding]:
    """A key tells who comes, so it belongs to one user."""
    if not site.git:
        return
    owners: dict[str, str] = {}
    for user in site.users:
        if user.name in site.git.administrators:
            owners |= {_body(key): user.name for key in user.authorized_keys}
    for index, member in enumerate(site.git.users):
        for number, key in enumerate(member.keys):
            owner = owners.setdefault(_body(key), member.name)
            if owner != member.name or _body(key) in map(_body, member.keys[:number]):
                message = f"this key belongs to {owner} already, and a key tells who comes"
                yield Finding(("git", "users", index, "keys", number), message, "remove it from one of them")


def rights_name_users(site: Site) -> Iterator[Finding]:
    """Who may read or write is known."""
    if not site.git:
        return
    known = people(site.git)
    for name, repository in site.git.repositories.items():
        for right in ("read", "write"):
            for index, who in enumerate(getattr(repository, right)):
                if who not in known:
                    fix = suggest(who, known) or "add the user to git.users"
                    yield Finding(("git", "repositories", name, right, index), f"there is no git user {who}", fix)


def git_clients_are_subnets(site: Site) -> Iterator[Finding]:
    """Subnets that may use the server are defined."""
    for index, name in enumerate(site.git.clients if site.git else ()):
        if name not in site.network.subnets:
            yield Finding(("git", "clients", index), f"there is no subnet {name}", suggest(name, site.network.subnets))


def _body(key: str) -> str:
    return " ".join(key.split()[:2])


CHECKS: tuple[Check, ...] = (
    flavour_is_built,
    server_exists,
    name_leads_to_the_server,
    administrators_are_users,
    git_users_are_unique,
    git_keys_are_unique,
    rights_name_users,
    git_clients_are_subnets,
)

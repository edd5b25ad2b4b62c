"""Roles certificate and git_server on the machine that is the git server."""

from __future__ import annotations

from collections.abc import Mapping

from lab.inventory.common import HTTPS, PROJECT, SSH, Variables, authority, secret
from lab.sections.git import PROJECT as REPOSITORY
from lab.sections.git import Git, Repository, machine_of, names_of
from lab.site import Site

CERTIFICATE = "git"


def git_server(site: Site, secrets: Mapping[str, str]) -> Variables:
    """Both roles; nothing where the site has the machine but no section yet."""
    if site.git is None:
        return {}
    return {**certificate(site, site.git), **server(site, site.git, secrets)}


def certificate(site: Site, git: Git) -> Variables:
    """Role certificate: the name in the URLs first, then every other name of the machine."""
    machine = str(machine_of(site))
    names = sorted(names_of(site, machine), key=lambda name: name != (git.name or machine))
    return {
        "certificate_name": CERTIFICATE,
        "certificate_names": [f"{name}.{site.domain}" for name in names] + names,
        "certificate_authority": str(authority(site)),
        "certificate_project": str(PROJECT),
        "certificate_units": ["nginx.service"],
    }


def server(site: Site, git: Git, secrets: Mapping[str, str]) -> Variables:
    """Role git_server."""
    return {
        "git_server_flavour": git.flavour,
        "git_server_name": f"{git.name or machine_of(site)}.{site.domain}",
        "git_server_certificate": CERTIFICATE,
        "git_server_title": f"Repositories of {site.domain}",
        "git_server_administrators": list(git.administrators),
        "git_server_people": people(site, git),
        "git_server_passwords": {user.name: secret(site, secrets, user.password.secret) for user in git.users if user.password},
        "git_server_repositories": repositories(git),
        "git_server_controller_key": str(site.private_key),
        "git_server_controller_folder": str(PROJECT),
        "git_server_project": REPOSITORY if git.push_project else "",
        "git_server_mirror_minutes": git.mirror_minutes,
        "git_server_mirror_hosts": list(git.known_hosts),
        "git_server_mirror_logins": [
            {"host": login.host, "user": login.user, "password": secret(site, secrets, login.password.secret)} for login in git.credentials
        ],
    }


def people(site: Site, git: Git) -> list[Variables]:
    """Everyone with their keys; an administrator who is a git user too has the keys of both."""
    keys = {user.name: list(user.authorized_keys) for user in site.users if user.name in git.administrators}
    for user in git.users:
        keys[user.name] = list(dict.fromkeys([*keys.get(user.name, []), *user.keys]))
    return [{"name": name, "keys": found} for name, found in keys.items()]


def repositories(git: Git) -> list[Variables]:
    """The site's repositories, and the one for this project where the site does not write it down itself."""
    ours = {REPOSITORY: Repository(description="This lab as code: what it is built from")} if git.push_project else {}
    return [
        {
            "name": name,
            "description": one.description,
            "private": one.private,
            "read": list(one.read),
            "write": list(one.write),
            "mirror_to": one.mirror_to or "",
            "mirror_from": one.mirror_from or "",
            "on_push": one.hooks.on_push or "",
        }
        for name, one in (ours | git.repositories).items()
    ]


def firewall(site: Site) -> list[Variables]:
    """Who may come: the subnets the site names, or all that the router lets through, and whoever manages the lab."""
    if site.git is None:
        return []
    chosen = site.git.clients or tuple(site.network.subnets)
    sources = [str(site.network.subnets[name].cidr) for name in chosen] + [str(cidr) for cidr in site.network.uplink.manage_from]

    def rule(comment: str, port: int) -> Variables:
        return {"comment": comment, "protocol": "tcp", "ports": [port], "sources": sources, "interfaces": []}

    return [rule("git over ssh", SSH), rule("git and web page", HTTPS)]

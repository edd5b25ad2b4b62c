"""Logs in to a machine the way Ansible does."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab import find
from lab import site as sites
from lab.errors import InputError, LabError, suggest


def login(site_path: Path, machine: str, replace: Callable[[str, list[str]], Any] = os.execvp) -> None:
    """Becomes ssh on the machine; raises InputError where the site has no such machine."""
    site = sites.load(site_path)
    if machine not in site.machines:
        raise InputError(f"machine {machine}: site {site.name} has no such machine; fix: {suggest(machine, site.machines)}")
    argv = command(find.inventory(site)["_meta"]["hostvars"][machine])
    try:
        replace(argv[0], argv)
    except FileNotFoundError:
        raise LabError("ssh: is not installed; fix: apt-get install openssh-client") from None


def command(variables: dict[str, Any]) -> list[str]:
    """The ssh command for a machine's inventory variables."""
    argv = ["ssh", *shlex.split(str(variables.get("ansible_ssh_common_args", "")))]
    if key := variables.get("ansible_ssh_private_key_file"):
        argv += ["-i", str(key)]
    if user := variables.get("ansible_user"):
        argv += ["-l", str(user)]
    return [*argv, str(variables["ansible_host"])]

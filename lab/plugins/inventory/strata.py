"""Ansible's way into a site file; a thin adapter over lab.site and lab.inventory."""

import os
import sys
from pathlib import Path

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin

DOCUMENTATION = r"""
name: strata
short_description: The machines, groups and role variables of a Strata site
description: >-
  Reads a checked site file. Give it as C(-i inventories/SITE/site.yml), never the folder.
  A drill gives a file that names the site, and the machine that is played by another (lab/overlay.py).
options: {}
"""

# Ansible loads this by its path, from anywhere.
sys.path.insert(0, str(Path(__file__).parents[3]))

from lab import inventory as inventories  # noqa: E402
from lab import overlay, secrets  # noqa: E402
from lab import site as sites  # noqa: E402
from lab.errors import LabError  # noqa: E402


class InventoryModule(BaseInventoryPlugin):
    """Publishes resolved values; Ansible does not template what inventory plugins say."""

    NAME = "strata"

    def verify_file(self, path):
        return super().verify_file(path) and Path(path).name.endswith(".yml")

    def parse(self, inventory, loader, path, cache=True):
        super().parse(inventory, loader, path, cache)
        try:
            played = overlay.read(Path(path)) if overlay.is_one(Path(path)) else None
            site = sites.load(played.site if played else Path(path))
            # A run must not set a password that `up` would still make; a plan may say that it would be made.
            known = secrets.known_or_named(site) if os.environ.get("STRATA_LOOK_ONLY") else secrets.read(site.directory)
            built = inventories.build(site, known)
            built = overlay.apply(built, played.machine, played.by) if played else built
        except LabError as error:
            raise AnsibleParserError(str(error)) from None
        for name, variables in built["_meta"]["hostvars"].items():
            inventory.add_host(name)
            for key, value in variables.items():
                inventory.set_variable(name, key, value)
        for group, members in built.items():
            if group in ("_meta", "all"):
                continue
            inventory.add_group(group)
            for name in members["hosts"]:
                inventory.add_child(group, name)

#!/usr/bin/python
"""A volume as it was at a moment; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_snapshot
short_description: Takes a snapshot of a volume
description: Takes a snapshot of a volume
extends_documentation_fragment: lab_openstack
options:
  name: {description: Its name, type: str, required: true}
  volume: {description: Whose moment it is, type: str}
  description: {description: For people, type: str}
  even_attached: {description: Whether it is taken from under a server, type: bool}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("snapshot", DOCUMENTATION)


if __name__ == "__main__":
    main()

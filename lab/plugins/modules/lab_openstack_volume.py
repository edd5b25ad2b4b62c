#!/usr/bin/python
"""A disk; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_volume
short_description: Makes a volume be there, and grow
description: Makes a volume be there, and grow
extends_documentation_fragment: lab_openstack
options:
  name: {description: Its name, type: str, required: true}
  size_gib: {description: Its size, type: int}
  type: {description: Its volume type, type: str}
  snapshot: {description: What it is a copy of instead, type: str}
  image: {description: What is copied onto it so that it boots, type: str}
  description: {description: For people, type: str}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("volume", DOCUMENTATION)


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""A kind of disks; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_volume_type
short_description: Makes a volume type be as wanted
description: Makes a volume type be as wanted
extends_documentation_fragment: lab_openstack
options:
  name: {description: Its name, type: str, required: true}
  backend: {description: Which backend makes them, type: str}
  description: {description: For people, type: str}
  public: {description: Whether all projects may use it, type: bool}
  properties: {description: Further properties as the service knows them, type: dict}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("volume_type", DOCUMENTATION)


if __name__ == "__main__":
    main()

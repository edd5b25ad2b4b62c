#!/usr/bin/python
"""A size of servers; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_flavor
short_description: Makes a flavor be there
description: Makes a flavor be there
extends_documentation_fragment: lab_openstack
options:
  name: {description: Its name, type: str, required: true}
  vcpus: {description: Processors, type: int}
  memory_mib: {description: Memory, type: int}
  disk_gib: {description: Disk or 0 for that of the image, type: int}
  public: {description: Whether all projects may use it, type: bool}
  properties: {description: Further properties as the service knows them, type: dict}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("flavor", DOCUMENTATION)


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""A service of the catalog; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_service
short_description: Makes a service be in the catalog
description: Makes a service be in the catalog
extends_documentation_fragment: lab_openstack
options:
  name: {description: Its name, type: str, required: true}
  type: {description: Such as compute, type: str}
  description: {description: For people, type: str}
  enabled: {description: Whether it can be used, type: bool}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("service", DOCUMENTATION)


if __name__ == "__main__":
    main()

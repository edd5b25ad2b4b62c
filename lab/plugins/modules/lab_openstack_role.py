#!/usr/bin/python
"""A role of Keystone; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_role
short_description: Makes a role be there
description: Makes a role be there
extends_documentation_fragment: lab_openstack
options:
  name: {description: Its name, type: str, required: true}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("role", DOCUMENTATION)


if __name__ == "__main__":
    main()

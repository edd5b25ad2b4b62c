#!/usr/bin/python
"""A security group; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_security_group
short_description: Makes a security group have these rules and no others
description: Makes a security group have these rules and no others
extends_documentation_fragment: lab_openstack
options:
  name: {description: Its name, type: str, required: true}
  description: {description: For people, type: str}
  rules: {description: 'What may pass: {direction, family, protocol, ports, remote, group}', type: list, elements: dict}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("security_group", DOCUMENTATION)


if __name__ == "__main__":
    main()

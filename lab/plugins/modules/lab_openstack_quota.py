#!/usr/bin/python
"""What a project may use; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_quota
short_description: Sets limits of a project
description: Sets limits of a project
extends_documentation_fragment: lab_openstack
options:
  name: {description: The project, type: str, required: true}
  domain: {description: Its domain, type: str, default: Default}
  limits: {description: 'Limit -> number, -1 for none', type: dict}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("quota", DOCUMENTATION)


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""A role of a user; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_assignment
short_description: Gives a user a role in one place
description: Gives a user a role in one place
extends_documentation_fragment: lab_openstack
options:
  name: {description: The user, type: str, required: true}
  role: {description: What it becomes, type: str, required: true}
  user_domain: {description: Its domain, type: str, default: Default}
  project: {description: Where the role counts, type: str}
  project_domain: {description: Of the project, type: str, default: Default}
  on_domain: {description: Where the role counts instead, type: str}
  system: {description: Whether the role counts on the whole system instead, type: bool, default: false}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("assignment", DOCUMENTATION)


if __name__ == "__main__":
    main()

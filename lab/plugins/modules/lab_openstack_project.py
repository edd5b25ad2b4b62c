#!/usr/bin/python
"""A project of Keystone; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_project
short_description: Makes a project be as wanted
description: Makes a project be as wanted
extends_documentation_fragment: lab_openstack
options:
  name: {description: Its name, type: str, required: true}
  domain: {description: Its domain, type: str, default: Default}
  description: {description: For people, type: str}
  enabled: {description: Whether it can be used, type: bool}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("project", DOCUMENTATION)


if __name__ == "__main__":
    main()

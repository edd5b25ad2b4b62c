#!/usr/bin/python
"""A domain of Keystone; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_domain
short_description: Makes a domain of projects and users be as wanted
description: Makes a domain of projects and users be as wanted
extends_documentation_fragment: lab_openstack
options:
  name: {description: Its name, type: str, required: true}
  description: {description: For people, type: str}
  enabled: {description: Whether it can be used, type: bool}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("domain", DOCUMENTATION)


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""A user of Keystone; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_user
short_description: Makes a user be as wanted, with a password that opens the door
description: Makes a user be as wanted, with a password that opens the door
extends_documentation_fragment: lab_openstack
options:
  name: {description: Its name, type: str, required: true}
  domain: {description: Its domain, type: str, default: Default}
  password: {description: Compared by asking for a token with it, type: str}
  description: {description: For people, type: str}
  enabled: {description: Whether it can be used, type: bool}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("user", DOCUMENTATION)


if __name__ == "__main__":
    main()

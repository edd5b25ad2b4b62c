#!/usr/bin/python
"""A public key; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_keypair
short_description: Makes a public key of the user be there for servers
description: Makes a public key of the user be there for servers
extends_documentation_fragment: lab_openstack
options:
  name: {description: Its name, type: str, required: true}
  public_key: {description: As in authorized_keys, type: str}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("keypair", DOCUMENTATION)


if __name__ == "__main__":
    main()

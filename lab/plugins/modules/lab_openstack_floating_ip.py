#!/usr/bin/python
"""An address from outside; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_floating_ip
short_description: Leads an address of an external network to a server
description: Leads an address of an external network to a server
extends_documentation_fragment: lab_openstack
options:
  name: {description: The server, type: str, required: true}
  network: {description: The external network, type: str}
  address: {description: If it has to be that one, type: str}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("floating_ip", DOCUMENTATION)


if __name__ == "__main__":
    main()

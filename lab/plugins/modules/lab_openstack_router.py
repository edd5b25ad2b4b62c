#!/usr/bin/python
"""A router of Neutron; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_router
short_description: Joins subnets, and leads out of them
description: Joins subnets, and leads out of them
extends_documentation_fragment: lab_openstack
options:
  name: {description: Its name, type: str, required: true}
  external_network: {description: The way out, type: str}
  snat: {description: Whether addresses are hidden on the way out, type: bool}
  subnets: {description: 'What it joins as NETWORK/SUBNET, all of it', type: list, elements: str}
  description: {description: For people, type: str}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("router", DOCUMENTATION)


if __name__ == "__main__":
    main()

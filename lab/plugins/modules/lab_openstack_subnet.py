#!/usr/bin/python
"""Addresses of a network; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_subnet
short_description: Makes a subnet be as wanted
description: Makes a subnet be as wanted
extends_documentation_fragment: lab_openstack
options:
  name: {description: Its name, type: str, required: true}
  network: {description: Its network, type: str, required: true}
  cidr: {description: Its range, type: str}
  gateway: {description: Told to servers or none, type: str}
  dhcp: {description: Whether addresses are given out, type: bool}
  pool: {description: 'Addresses that are given out: {from, to}', type: dict}
  dns_servers: {description: Told to servers, type: list, elements: str}
  description: {description: For people, type: str}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("subnet", DOCUMENTATION)


if __name__ == "__main__":
    main()

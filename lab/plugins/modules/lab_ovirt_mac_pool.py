#!/usr/bin/python
"""A MAC pool on an oVirt engine; a thin adapter over lab.ovirt, for localhost only."""

from ansible.module_utils.lab_ovirt import run

DOCUMENTATION = r"""
module: lab_ovirt_mac_pool
short_description: Makes a MAC pool exist, or not
description: Makes a MAC pool exist, or not
extends_documentation_fragment: lab_ovirt
options:
  name: {description: Its name, type: str, required: true}
  ranges: {description: 'Addresses as {from, to}', type: list, elements: dict}
  allow_duplicates: {description: Whether an address may be used twice, type: bool}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("mac_pool", DOCUMENTATION)


if __name__ == "__main__":
    main()

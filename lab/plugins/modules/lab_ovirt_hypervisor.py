#!/usr/bin/python
"""A hypervisor on an oVirt engine; a thin adapter over lab.ovirt, for localhost only."""

from ansible.module_utils.lab_ovirt import run

DOCUMENTATION = r"""
module: lab_ovirt_hypervisor
short_description: Adds a hypervisor and keeps it up or in maintenance, or removes it
description: Adds a hypervisor and keeps it up or in maintenance, or removes it
extends_documentation_fragment: lab_ovirt
options:
  name: {description: Its name, type: str, required: true}
  cluster: {description: Where it belongs, type: str}
  address: {description: Where the engine reaches it, type: str}
  password: {description: Of root, for adding it, type: str}
  state: {description: Wanted state, type: str, choices: [up, maintenance, absent], default: up}
"""


def main():
    run("hypervisor", DOCUMENTATION)


if __name__ == "__main__":
    main()

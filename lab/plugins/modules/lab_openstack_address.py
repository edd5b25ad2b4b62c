#!/usr/bin/python
"""The address of a server; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_address
short_description: Waits until a server has an address
description: Waits until a server has an address
extends_documentation_fragment: lab_openstack
options:
  server: {description: Its name, type: str, required: true}
  network: {description: Where it has it, type: str}
  timeout_seconds: {description: How long, type: int}
"""


def main():
    run("address", DOCUMENTATION)


if __name__ == "__main__":
    main()

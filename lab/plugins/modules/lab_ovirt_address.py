#!/usr/bin/python
"""A guest's address on an oVirt engine; a thin adapter over lab.ovirt, for localhost only."""

from ansible.module_utils.lab_ovirt import run

DOCUMENTATION = r"""
module: lab_ovirt_address
short_description: Waits until a guest itself reports its address
description: Waits until a guest itself reports its address
extends_documentation_fragment: lab_ovirt
options:
  vm: {description: Of which VM, type: str, required: true}
  address: {description: That one, type: str}
  within: {description: One in this network, type: str}
  timeout_seconds: {description: How long it may boot, type: int}
"""


def main():
    run("address", DOCUMENTATION)


if __name__ == "__main__":
    main()

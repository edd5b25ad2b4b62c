#!/usr/bin/python
"""An affinity group on an oVirt engine; a thin adapter over lab.ovirt, for localhost only."""

from ansible.module_utils.lab_ovirt import run

DOCUMENTATION = r"""
module: lab_ovirt_affinity_group
short_description: Says which VMs belong on one hypervisor, or on different ones
description: Says which VMs belong on one hypervisor, or on different ones
extends_documentation_fragment: lab_ovirt
options:
  name: {description: Its name, type: str, required: true}
  cluster: {description: Where its VMs run, type: str, required: true}
  vms: {description: Whom it is for, type: list, elements: str}
  rule: {description: What it says, type: str, choices: [apart, together]}
  enforcing: {description: Whether the engine rather refuses to start a VM, type: bool}
  description: {description: For people, type: str}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("affinity_group", DOCUMENTATION)


if __name__ == "__main__":
    main()

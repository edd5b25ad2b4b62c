#!/usr/bin/python
"""A cluster on an oVirt engine; a thin adapter over lab.ovirt, for localhost only."""

from ansible.module_utils.lab_ovirt import run

DOCUMENTATION = r"""
module: lab_ovirt_cluster
short_description: Makes a cluster exist, or not
description: Makes a cluster exist, or not
extends_documentation_fragment: lab_ovirt
options:
  name: {description: Its name, type: str, required: true}
  data_center: {description: Where it is, type: str}
  description: {description: For people, type: str}
  cpu_type: {description: What its VMs may count on; left out the engine takes what the first hypervisor has, type: str}
  mac_pool: {description: Where its VMs get addresses, type: str}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("cluster", DOCUMENTATION)


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""A logical network on an oVirt engine; a thin adapter over lab.ovirt, for localhost only."""

from ansible.module_utils.lab_ovirt import run

DOCUMENTATION = r"""
module: lab_ovirt_network
short_description: Makes a logical network exist in clusters, or not
description: Makes a logical network exist in clusters, or not
extends_documentation_fragment: lab_ovirt
options:
  name: {description: Its name, type: str, required: true}
  data_center: {description: Where it is, type: str, required: true}
  clusters: {description: Where it is used, type: list, elements: str}
  vlan: {description: Tag; left out for untagged, type: int}
  mtu: {description: Largest packet in bytes, type: int}
  vm_network: {description: Whether VMs may be plugged in, type: bool}
  required: {description: Whether a hypervisor without it is not operational, type: bool}
  description: {description: For people, type: str}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("network", DOCUMENTATION)


if __name__ == "__main__":
    main()

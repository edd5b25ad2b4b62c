#!/usr/bin/python
"""A vNIC profile on an oVirt engine; a thin adapter over lab.ovirt, for localhost only."""

from ansible.module_utils.lab_ovirt import run

DOCUMENTATION = r"""
module: lab_ovirt_vnic_profile
short_description: Makes a vNIC profile exist, or not
description: Makes a vNIC profile exist, or not
extends_documentation_fragment: lab_ovirt
options:
  name: {description: Its name, type: str, required: true}
  data_center: {description: Where its network is, type: str, required: true}
  network: {description: What it plugs into, type: str, required: true}
  port_mirroring: {description: Whether the VM sees all packets, type: bool}
  description: {description: For people, type: str}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("vnic_profile", DOCUMENTATION)


if __name__ == "__main__":
    main()

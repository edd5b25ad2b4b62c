#!/usr/bin/python
"""A network of Neutron; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_network
short_description: Makes a network be as wanted
description: Makes a network be as wanted
extends_documentation_fragment: lab_openstack
options:
  name: {description: Its name, type: str, required: true}
  description: {description: For people, type: str}
  external: {description: Whether floating IPs are of it, type: bool}
  shared: {description: Whether all projects may use it, type: bool}
  port_security: {description: Whether ports are guarded, type: bool}
  mtu: {description: Largest packet, type: int}
  provider_type: {description: What carries it, type: str, choices: [flat, vlan, geneve, vxlan, local]}
  physical_network: {description: A name of the bridge mappings, type: str}
  segment: {description: VLAN or tunnel, type: int}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("network", DOCUMENTATION)


if __name__ == "__main__":
    main()

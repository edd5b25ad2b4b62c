#!/usr/bin/python
"""A network on a hypervisor on an oVirt engine; a thin adapter over lab.ovirt, for localhost only."""

from ansible.module_utils.lab_ovirt import run

DOCUMENTATION = r"""
module: lab_ovirt_hypervisor_network
short_description: Plugs a logical network into an interface of a hypervisor, or takes it off
description: Plugs a logical network into an interface of a hypervisor, or takes it off
extends_documentation_fragment: lab_ovirt
options:
  name: {description: The network's name, type: str, required: true}
  data_center: {description: Where the network is, type: str}
  hypervisor: {description: Where it is plugged in, type: str, required: true}
  interface: {description: Of the hypervisor, type: str}
  address: {description: 'Of the hypervisor in it, with prefix; or dhcp', type: str}
  gateway: {description: Of that network, type: str}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("hypervisor_network", DOCUMENTATION)


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""A VM on an oVirt engine; a thin adapter over lab.ovirt, for localhost only."""

from ansible.module_utils.lab_ovirt import run

DOCUMENTATION = r"""
module: lab_ovirt_vm
short_description: Makes a VM from a template run, stop, or not exist
description: Makes a VM from a template run, stop, or not exist
extends_documentation_fragment: lab_ovirt
options:
  name: {description: Its name, type: str, required: true}
  data_center: {description: Where its networks are, type: str}
  cluster: {description: Where it runs, type: str}
  template: {description: What it is made from, type: str}
  memory_mib: {description: Memory, type: int}
  vcpus: {description: Processors, type: int}
  disk_gib: {description: Size of the disk it boots from or that of the template, type: int}
  description: {description: For people, type: str}
  nics: {description: 'Interfaces as {name, network, profile, mac}', type: list, elements: dict}
  disks: {description: 'Further disks as {name, size_gib, storage_domain}', type: list, elements: dict}
  cloud_init: {description: 'First boot: {hostname, addresses, dns_servers, dns_search, user, authorized_keys, script}', type: dict}
  state: {description: Wanted state, type: str, choices: [running, stopped, absent], default: running}
"""


def main():
    run("vm", DOCUMENTATION)


if __name__ == "__main__":
    main()

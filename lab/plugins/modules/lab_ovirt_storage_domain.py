#!/usr/bin/python
"""An NFS storage domain on an oVirt engine; a thin adapter over lab.ovirt, for localhost only."""

from ansible.module_utils.lab_ovirt import run

DOCUMENTATION = r"""
module: lab_ovirt_storage_domain
short_description: Makes an NFS export a storage domain that is attached, or removes it with its content
description: Makes an NFS export a storage domain that is attached, or removes it with its content
extends_documentation_fragment: lab_ovirt
options:
  name: {description: Its name, type: str, required: true}
  data_center: {description: Where it is attached, type: str}
  hypervisor: {description: What mounts it first, type: str}
  address: {description: Of the NFS server, type: str}
  path: {description: Of the export, type: str}
  type: {description: What it holds, type: str, choices: [data, iso, export]}
  description: {description: For people, type: str}
  state: {description: Wanted state, type: str, choices: [active, maintenance, absent], default: active}
"""


def main():
    run("storage_domain", DOCUMENTATION)


if __name__ == "__main__":
    main()

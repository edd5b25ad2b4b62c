#!/usr/bin/python
"""A backup of a VM on an oVirt engine; a thin adapter over lab.ovirt, for localhost only."""

from ansible.module_utils.lab_ovirt import run

DOCUMENTATION = r"""
module: lab_ovirt_backup
short_description: Downloads all disks of a running VM, compared with what is stored; or verifies an old backup
description: Downloads all disks of a running VM, compared with what is stored; or verifies an old backup
extends_documentation_fragment: lab_ovirt
options:
  vm: {description: Of which VM, type: str}
  folder: {description: Where backups are, type: path}
  only_verify: {description: A backup to read again instead, type: path}
"""


def main():
    run("backup", DOCUMENTATION)


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""A snapshot on an oVirt engine; a thin adapter over lab.ovirt, for localhost only."""

from ansible.module_utils.lab_ovirt import run

DOCUMENTATION = r"""
module: lab_ovirt_snapshot
short_description: Makes a snapshot of a description exist once, or not, or prunes old ones
description: Makes a snapshot of a description exist once, or not, or prunes old ones
extends_documentation_fragment: lab_ovirt
options:
  vm: {description: Of which VM, type: str, required: true}
  description: {description: Its description; with keep, how descriptions begin, type: str, required: true}
  memory: {description: Whether the memory is saved too, type: bool}
  keep: {description: Remove the oldest beyond that many, type: int}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("snapshot", DOCUMENTATION)


if __name__ == "__main__":
    main()

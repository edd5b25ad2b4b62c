#!/usr/bin/python
"""Where VMs run on an oVirt engine; a thin adapter over lab.ovirt, for localhost only."""

from ansible.module_utils.lab_ovirt import run

DOCUMENTATION = r"""
module: lab_ovirt_placement
short_description: Verifies that VMs run where their affinity groups want them, and migrates those that do not
description: Verifies that VMs run where their affinity groups want them, and migrates those that do not
extends_documentation_fragment: lab_ovirt
options:
  cluster: {description: Whose VMs, type: str, required: true}
  fix: {description: Whether to migrate; else a broken rule is a failure, type: bool, default: true}
"""


def main():
    run("placement", DOCUMENTATION)


if __name__ == "__main__":
    main()

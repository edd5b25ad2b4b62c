#!/usr/bin/python
"""A data center on an oVirt engine; a thin adapter over lab.ovirt, for localhost only."""

from ansible.module_utils.lab_ovirt import run

DOCUMENTATION = r"""
module: lab_ovirt_data_center
short_description: Makes a data center exist, or not
description: Makes a data center exist, or not
extends_documentation_fragment: lab_ovirt
options:
  name: {description: Its name, type: str, required: true}
  description: {description: For people, type: str}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("data_center", DOCUMENTATION)


if __name__ == "__main__":
    main()

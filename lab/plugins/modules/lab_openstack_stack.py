#!/usr/bin/python
"""A stack of Heat; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_stack
short_description: Makes Heat make what a template says
description: Makes Heat make what a template says
extends_documentation_fragment: lab_openstack
options:
  name: {description: Its name, type: str, required: true}
  template: {description: As Heat reads it, type: dict}
  parameters: {description: Of the template, type: dict}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("stack", DOCUMENTATION)


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""A whole model on a cloud; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_model
short_description: Plans all things of a model, then makes or removes them
description: Plans all things of a model, then makes or removes them
extends_documentation_fragment: lab_openstack
options:
  model: {description: 'Kind -> things, as the other modules take them', type: dict, required: true}
  passwords: {description: 'Passwords of its users by domain/name, since a model is logged', type: dict}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("model", DOCUMENTATION)


if __name__ == "__main__":
    main()

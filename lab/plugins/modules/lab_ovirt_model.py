#!/usr/bin/python
"""A whole model on an oVirt engine; a thin adapter over lab.ovirt, for localhost only."""

from ansible.module_utils.lab_ovirt import run

DOCUMENTATION = r"""
module: lab_ovirt_model
short_description: Plans all things of a model, then makes or removes them
description: Plans all things of a model, then makes or removes them
extends_documentation_fragment: lab_ovirt
options:
  model: {description: 'Kind -> things, as the other modules take them', type: dict, required: true}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("model", DOCUMENTATION)


if __name__ == "__main__":
    main()

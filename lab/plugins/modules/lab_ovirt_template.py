#!/usr/bin/python
"""A template from an image on an oVirt engine; a thin adapter over lab.ovirt, for localhost only."""

from ansible.module_utils.lab_ovirt import run

DOCUMENTATION = r"""
module: lab_ovirt_template
short_description: Uploads an image, compares it, and makes a template from it; goes on where it was stopped
description: Uploads an image, compares it, and makes a template from it; goes on where it was stopped
extends_documentation_fragment: lab_ovirt
options:
  name: {description: Its name, type: str, required: true}
  cluster: {description: Where it is used, type: str}
  storage_domain: {description: Where its disk is, type: str}
  image: {description: File on this computer, type: path}
  sha256: {description: Of the image; left out it is computed, type: str}
  memory_mib: {description: What VMs get that do not say, type: int}
  vcpus: {description: What VMs get that do not say, type: int}
  replace: {description: Whether a template of another image may be replaced while no VM uses it, type: bool}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("template", DOCUMENTATION)


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""An image of Glance; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_image
short_description: Uploads an image, unless it is there with the same content
description: Uploads an image, unless it is there with the same content
extends_documentation_fragment: lab_openstack
options:
  name: {description: Its name, type: str, required: true}
  file: {description: On the controller, type: path}
  format: {description: What the file is, type: str, choices: [qcow2, raw, iso, vmdk, vhd]}
  sha512: {description: Of the file if already known, type: str}
  visibility: {description: Who sees it, type: str, choices: [public, private, shared, community]}
  min_disk_gib: {description: What a flavor needs, type: int}
  min_memory_mib: {description: What a flavor needs, type: int}
  properties: {description: Further properties as the service knows them, type: dict}
  replace: {description: Whether one of another content is replaced, type: bool}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("image", DOCUMENTATION)


if __name__ == "__main__":
    main()

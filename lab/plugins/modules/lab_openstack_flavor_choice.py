#!/usr/bin/python
"""A flavor for a wish; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_flavor_choice
short_description: Names the flavor that covers a wish with the least to spare, and why
description: Names the flavor that covers a wish with the least to spare, and why
extends_documentation_fragment: lab_openstack
options:
  vcpus: {description: Processors, type: int, required: true}
  memory_mib: {description: Memory, type: int, required: true}
  disk_gib: {description: Disk, type: int}
"""


def main():
    run("flavor_choice", DOCUMENTATION)


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""An address of a service; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_endpoint
short_description: Makes a service have an address in the catalog
description: Makes a service have an address in the catalog
extends_documentation_fragment: lab_openstack
options:
  name: {description: The service, type: str, required: true}
  interface: {description: Whom it is for, type: str, choices: [public, internal, admin], default: public}
  region: {description: Its region, type: str, default: RegionOne}
  url: {description: Its address, type: str}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
"""


def main():
    run("endpoint", DOCUMENTATION)


if __name__ == "__main__":
    main()

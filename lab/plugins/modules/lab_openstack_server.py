#!/usr/bin/python
"""A server; a thin adapter over lab.openstack, for localhost only."""

from ansible.module_utils.lab_openstack import run

DOCUMENTATION = r"""
module: lab_openstack_server
short_description: Makes a server run, stop, or not exist
description: Makes a server run, stop, or not exist
extends_documentation_fragment: lab_openstack
options:
  name: {description: Its name, type: str, required: true}
  flavor: {description: Its size, type: str}
  image: {description: What it boots from, type: str}
  boot_volume: {description: What it boots from instead, type: str}
  networks: {description: Where it is plugged in, type: list, elements: str}
  security_groups: {description: What it may be reached by, type: list, elements: str}
  keypair: {description: Who is let in, type: str}
  user_data: {description: What its first boot is told, type: str}
  config_drive: {description: Whether that is told by a drive, type: bool}
  volumes: {description: Further disks, type: list, elements: str}
  host: {description: The compute node if it has to be that one, type: str}
  state: {description: Wanted state, type: str, choices: [running, stopped, absent], default: running}
"""


def main():
    run("server", DOCUMENTATION)


if __name__ == "__main__":
    main()

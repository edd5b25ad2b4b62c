#!/usr/bin/python
"""What the prechecks of an EL machine look at; reads only. It runs on the machine, so it has to do with the Python of EL9 (3.9)."""

from ansible.module_utils import el_network, el_system
from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: el_facts
short_description: Reads what the prechecks of an EL machine judge
description: Reads what the prechecks of an EL machine judge; changes nothing, and leaves all judgement to lab/ovirt/prechecks
options:
  names: {description: Names to resolve, type: list, elements: str, default: []}
  addresses: {description: Addresses to find names for, type: list, elements: str, default: []}
  paths: {description: Folders whose free space counts, type: list, elements: str, default: []}
  packages: {description: Packages that may be installed, type: list, elements: str, default: []}
  services: {description: Units of systemd, type: list, elements: str, default: []}
  files: {description: Files that may be there, type: list, elements: str, default: []}
"""

LISTS = ("names", "addresses", "paths", "packages", "services", "files")


def main():
    module = AnsibleModule({name: {"type": "list", "elements": "str", "default": []} for name in LISTS}, supports_check_mode=True)
    wanted = module.params

    def output(*command):
        if not module.get_bin_path(command[0]):
            return ""
        code, text, _ = module.run_command(list(command), environ_update={"LC_ALL": "C"})
        return text if code == 0 else ""

    facts = {
        **el_system.read(output, wanted["paths"], wanted["packages"], wanted["services"], wanted["files"]),
        **el_network.read(output, wanted["names"], wanted["addresses"]),
    }
    module.exit_json(changed=False, el=facts)


if __name__ == "__main__":
    main()

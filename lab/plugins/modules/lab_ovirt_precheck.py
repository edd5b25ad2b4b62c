#!/usr/bin/python
"""Judges the facts of a machine before oVirt is installed; a thin adapter over lab.ovirt.prechecks, for localhost only."""

import sys
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: lab_ovirt_precheck
short_description: Finds what is known to fail in an installation of oVirt
description: Finds what is known to fail in an installation of oVirt, and refuses with all of it at once; changes nothing
options:
  kind: {description: What the machine becomes, type: str, choices: [hypervisor, engine, self_hosted], required: true}
  name: {description: Name of the machine, type: str, required: true}
  facts: {description: What el_facts returned, type: dict, required: true}
  wanted: {description: What the checks of this kind want (lab/ovirt/prechecks), type: dict, required: true}
  secrets: {description: More of it, never shown, type: dict, default: {}}
  project: {description: The project's folder, type: path, required: true}
"""


def main():
    module = AnsibleModule(
        {
            "kind": {"choices": ["hypervisor", "engine", "self_hosted"], "required": True},
            "name": {"type": "str", "required": True},
            "facts": {"type": "dict", "required": True},
            "wanted": {"type": "dict", "required": True},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "project": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    # The library stays out of Ansible's module payload, so that messages and types are the same everywhere.
    sys.path.insert(0, str(Path(given["project"])))
    from lab.errors import LabError
    from lab.ovirt import prechecks

    try:
        prechecks.run(given["kind"], given["name"], given["facts"], {**given["wanted"], **given["secrets"]})
    except LabError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""A machine of any platform; a thin adapter over lab.platforms, for localhost only."""

import sys
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: lab_machine
short_description: Makes a machine exist, or not, on its platform
options:
  name: {description: Name of the machine, type: str, required: true}
  platform: {description: Kind of platform, type: str, required: true}
  spec: {description: What the platform needs to know, type: dict, required: true}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
  project: {description: The project's folder, type: path, required: true}
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "platform": {"type": "str", "required": True},
            "spec": {"type": "dict", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "project": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    # The library stays out of Ansible's module payload, so that messages and types are the same everywhere.
    sys.path.insert(0, str(Path(module.params["project"])))
    from lab.errors import LabError
    from lab.platforms import platform

    try:
        backend = platform(module.params["platform"])
        act = backend.ensure if module.params["state"] == "present" else backend.remove
        change = act(module.params["name"], module.params["spec"], check=module.check_mode)
    except LabError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=change.changed, diff={"before": change.before, "after": change.after}, machine=change.facts)


if __name__ == "__main__":
    main()

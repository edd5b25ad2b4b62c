#!/usr/bin/python
"""The simulated engine of a rehearsal; a thin adapter over lab.simulators.ovirt.service, for localhost only."""

import sys
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: lab_ovirt_simulator
short_description: Makes a simulated oVirt engine serve in the network of a container, or not exist
options:
  folder: {description: Where all of it is kept on the controller, type: path, required: true}
  site: {description: Name of the site; its machines' containers begin with it, type: str, required: true}
  owner: {description: Whose machines its VMs are; see lab/platforms/container.py, type: str, required: true}
  engine: {description: 'The machine of the engine: {container, address, fqdn}', type: dict, required: true}
  hypervisors: {description: Address of each hypervisor and its container, type: dict, required: true}
  backend: {description: What its VMs are, type: str, choices: [auto, vm, container], default: auto}
  suite: {description: Debian suite of the platform of its VMs, type: str, required: true}
  password: {description: Of the engine's administrator, type: str, required: true}
  state: {description: Wanted state, type: str, choices: [present, absent], default: present}
  project: {description: The project's folder, type: path, required: true}
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "site": {"type": "str", "required": True},
            "owner": {"type": "str", "required": True},
            "engine": {"type": "dict", "required": True},
            "hypervisors": {"type": "dict", "required": True},
            "backend": {"type": "str", "choices": ["auto", "vm", "container"], "default": "auto"},
            "suite": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "project": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    sys.path.insert(0, str(Path(module.params["project"])))
    from lab.errors import LabError
    from lab.simulators.ovirt import site_engine

    try:
        act = site_engine.ensure if module.params["state"] == "present" else site_engine.remove
        change = act(module.params, check=module.check_mode)
    except LabError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=change.changed, diff={"before": change.before, "after": change.after}, simulator=change.facts)


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""The disk that VMs are made from; a thin adapter over lab.images, for localhost only."""

import sys
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: lab_template_image
short_description: Makes the disk image of a Debian suite on the controller, unless it is there
options:
  suite: {description: Debian suite, type: str, required: true}
  project: {description: The project's folder, type: path, required: true}
"""


def main():
    module = AnsibleModule(
        argument_spec={"suite": {"type": "str", "required": True}, "project": {"type": "path", "required": True}},
        supports_check_mode=True,
    )
    sys.path.insert(0, str(Path(module.params["project"])))
    from lab.errors import LabError
    from lab.images import debian

    suite = module.params["suite"]
    file = debian.CACHE / f"{debian.name(suite)}.qcow2"
    is_missing = not file.is_file()
    try:
        if is_missing and not module.check_mode:
            file = debian.ensure(suite)
    except LabError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=is_missing, file=str(file))


if __name__ == "__main__":
    main()

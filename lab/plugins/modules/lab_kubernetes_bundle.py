#!/usr/bin/python
"""What a node lacks of its programs or images, as one file; a thin adapter over lab.kubernetes.packed, for localhost only."""

import sys
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: lab_kubernetes_bundle
short_description: Makes the one file on the controller that brings a node the programs or images it lacks
options:
  wanted:
    description: "`source`, `from`, `version` and `addons`, as module lab_kubernetes_artifacts has them"
    type: dict
    required: true
  project: {description: The project's folder, type: path, required: true}
  programs: {description: Names of programs, type: list, elements: str, default: []}
  images: {description: Digests of images, type: list, elements: str, default: []}
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "wanted": {"type": "dict", "required": True},
            "project": {"type": "path", "required": True},
            "programs": {"type": "list", "elements": "str", "default": []},
            "images": {"type": "list", "elements": "str", "default": []},
        },
        mutually_exclusive=[("programs", "images")],
    )
    sys.path.insert(0, str(Path(module.params["project"])))
    from lab.errors import LabError
    from lab.kubernetes import artifacts, packed

    wanted = module.params["wanted"]
    try:
        found = artifacts.find(
            artifacts.Source(wanted["source"], wanted.get("from", "")), wanted["version"], tuple(wanted.get("addons", ()))
        )
        if found is None:
            module.fail_json(
                msg=f"Kubernetes {wanted['version']}: what it is installed from is not on this computer; fix: ./inv up makes it"
            )
        if module.params["images"]:
            file = packed.images([one for one in found.images if one.digest in module.params["images"]], artifacts.CACHE)
        else:
            file = packed.programs(found, module.params["programs"], artifacts.CACHE)
    except LabError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, file=str(file))


if __name__ == "__main__":
    main()

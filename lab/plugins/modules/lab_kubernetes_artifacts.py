#!/usr/bin/python
"""Binaries and images of a cluster; a thin adapter over lab.kubernetes, for localhost only."""

import sys
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: lab_kubernetes_artifacts
short_description: Makes what a cluster is installed from on the controller, unless it is there, and says where it is
options:
  wanted:
    description: "`source`, `from`, `version` and `addons`, as lab.kubernetes.artifacts wants them"
    type: dict
    required: true
  project: {description: The project's folder, type: path, required: true}
"""


def listed(found):
    """As roles use it: binaries by name, images in their order; each with its SHA-256."""
    root = found.folder
    checksum = found.checksums

    def file(path):
        return {"file": str(path), "sha256": checksum[str(path.relative_to(root))]}

    return {
        "binaries": {name: file(path) for name, path in found.binaries.items()},
        "images": [{"reference": one.reference, "digest": one.digest, "role": one.role, **file(one.file)} for one in found.images],
        "manifests": {name: str(path) for name, path in found.manifests.items()},
    }


def main():
    module = AnsibleModule(
        argument_spec={"wanted": {"type": "dict", "required": True}, "project": {"type": "path", "required": True}},
        supports_check_mode=True,
    )
    sys.path.insert(0, str(Path(module.params["project"])))
    from lab.errors import LabError
    from lab.kubernetes import artifacts

    wanted = module.params["wanted"]
    given = (artifacts.Source(wanted["source"], wanted.get("from", "")), wanted["version"], tuple(wanted.get("addons", ())))
    nothing = {"binaries": {}, "images": [], "manifests": {}}
    try:
        found = artifacts.find(*given)
        is_missing = found is None
        if is_missing and not module.check_mode:
            found = artifacts.ensure(*given)
    except LabError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=is_missing, **(listed(found) if found else nothing))


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""Whether an export can be a storage domain: really mounted and written to as vdsm would. It runs on the machine (Python 3.9)."""

from ansible.module_utils import nfs_write
from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: nfs_probe
short_description: Mounts an export, writes a file as user 36 and takes everything away again
description: Leaves nothing behind, and does nothing in check mode
options:
  server: {description: Name or address of the NFS server, type: str, required: true}
  path: {description: What it exports, type: str, required: true}
  least_gib: {description: How much has to be free, type: int, default: 0}
  is_empty: {description: Whether nothing may be in it yet, type: bool, default: false}
"""


def main():
    module = AnsibleModule(
        {
            "server": {"type": "str", "required": True},
            "path": {"type": "str", "required": True},
            "least_gib": {"type": "int", "default": 0},
            "is_empty": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=False, skipped=True, msg="nothing is mounted in check mode")
    given = module.params
    export = given["server"] + ":" + given["path"]
    if not module.get_bin_path("mount.nfs"):
        module.fail_json(msg=export + ": mount.nfs is missing; fix: dnf install nfs-utils")
    problem = nfs_write.probe(export, module.run_command, given["least_gib"], given["is_empty"])
    if problem:
        module.fail_json(msg=export + ": " + problem)
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()

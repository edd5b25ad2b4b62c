#!/usr/bin/python
"""Pushes this project to the lab's git server; a thin adapter over lab.push, for localhost only."""

import sys
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: lab_push
short_description: Pushes the checked out commit of this project to branch main of a repository
options:
  project: {description: The project's folder, type: path, required: true}
  url: {description: The repository, over SSH, type: str, required: true}
  private_key: {description: File of the key to log in with, type: path, required: true}
  host_key: {description: The server's public host key, type: str, required: true}
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "project": {"type": "path", "required": True},
            "url": {"type": "str", "required": True},
            "private_key": {"type": "path", "required": True, "no_log": False},
            "host_key": {"type": "str", "required": True, "no_log": False},
        },
        supports_check_mode=True,
    )
    given = module.params
    sys.path.insert(0, str(Path(given["project"])))
    from lab import push
    from lab.errors import LabError

    try:
        change = push.push(
            Path(given["project"]), given["url"], Path(given["private_key"]), given["host_key"].strip(), check=module.check_mode
        )
    except LabError as error:
        module.fail_json(msg=str(error))
    # The notice reaches the operator's screen through callback strata_progress.
    module.exit_json(changed=change.changed, diff={"before": change.before, "after": change.after}, **change.facts)


if __name__ == "__main__":
    main()

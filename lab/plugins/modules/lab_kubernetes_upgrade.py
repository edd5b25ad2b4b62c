#!/usr/bin/python
"""A node on its way to another release; a thin adapter over lab.kubernetes.upgrade, for localhost only."""

import sys
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: lab_kubernetes_upgrade
short_description: Says whether a machine may go to another release, has its pods go elsewhere, and lets them come back
options:
  project: {description: The project's folder, type: path, required: true}
  state: {description: What to do, type: str, required: true, choices: [allowed, away, back]}
  version: {description: "The wanted release, such as `1.36.4`", type: str, required: true}
  now: {description: The release that runs there; for `allowed`, type: str, default: ""}
  kubectl: {description: The program, type: str, default: ""}
  kubeconfig: {description: What to log in with, type: path, default: ""}
  node: {description: Name of the node, type: str, default: ""}
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "project": {"type": "path", "required": True},
            "state": {"type": "str", "required": True, "choices": ["allowed", "away", "back"]},
            "version": {"type": "str", "required": True},
            "now": {"type": "str", "default": ""},
            "kubectl": {"type": "str", "default": ""},
            "kubeconfig": {"type": "path", "default": ""},
            "node": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    given = module.params
    sys.path.insert(0, str(Path(given["project"])))
    from lab.change import Change
    from lab.errors import LabError
    from lab.kubernetes import upgrade
    from lab.kubernetes.apply import Cluster

    change = Change(given["node"], False)
    cluster = Cluster(Path(given["kubectl"]), Path(given["kubeconfig"]))
    try:
        if given["state"] == "allowed":
            upgrade.allowed(given["now"], given["version"])
        elif given["state"] == "away":
            change = upgrade.away(cluster, given["node"], check=module.check_mode)
        else:
            change = upgrade.back(cluster, given["node"], given["version"], check=module.check_mode)
    except LabError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=change.changed, diff={"before": change.before, "after": change.after}, what=change.what)


if __name__ == "__main__":
    main()

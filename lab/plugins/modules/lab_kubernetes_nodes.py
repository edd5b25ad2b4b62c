#!/usr/bin/python
"""Workers that a site no longer has; a thin adapter over lab.kubernetes.nodes, for localhost only."""

import sys
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: lab_kubernetes_nodes
short_description: Drains workers that are not among the wanted nodes, and takes them out of the cluster
options:
  project: {description: The project's folder, type: path, required: true}
  kubectl: {description: The program. Empty in a dry run before it is there, type: str, required: true}
  kubeconfig: {description: What to log in with, type: path, required: true}
  nodes: {description: Names of the nodes the site has, type: list, elements: str, required: true}
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "project": {"type": "path", "required": True},
            "kubectl": {"type": "str", "required": True},
            "kubeconfig": {"type": "path", "required": True},
            "nodes": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    sys.path.insert(0, str(Path(given["project"])))
    from lab.errors import LabError
    from lab.kubernetes import nodes
    from lab.kubernetes.apply import Cluster

    if module.check_mode and not given["kubectl"]:
        module.exit_json(changed=False, msg="the cluster's programs are not there yet")
    try:
        change = nodes.leave(Cluster(Path(given["kubectl"]), Path(given["kubeconfig"])), given["nodes"], check=module.check_mode)
    except LabError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=change.changed, diff={"before": change.before, "after": change.after}, what=change.what)


if __name__ == "__main__":
    main()

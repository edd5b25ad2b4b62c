#!/usr/bin/python
"""Objects of a cluster; a thin adapter over lab.kubernetes.apply, for localhost only."""

import sys
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: lab_kubernetes_apply
short_description: Makes objects of a cluster what their manifests say, and waits until workloads run
options:
  project: {description: The project's folder, type: path, required: true}
  kubectl: {description: The program. Empty in a dry run before it is there, type: str, required: true}
  kubeconfig: {description: What to log in with, type: path, required: true}
  manifests: {description: YAML texts, type: list, elements: str, required: true}
  ready: {description: "Workloads to wait for, as `NAMESPACE/KIND/NAME`", type: list, elements: str, default: []}
  timeout_seconds: {description: How long for each, type: int, default: 600}
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "project": {"type": "path", "required": True},
            "kubectl": {"type": "str", "required": True},
            "kubeconfig": {"type": "path", "required": True},
            "manifests": {"type": "list", "elements": "str", "required": True},
            "ready": {"type": "list", "elements": "str", "default": []},
            "timeout_seconds": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    given = module.params
    sys.path.insert(0, str(Path(given["project"])))
    from lab.errors import LabError
    from lab.kubernetes import apply

    if module.check_mode and not given["kubectl"]:
        module.exit_json(changed=True, msg="the cluster's programs are not there yet")
    cluster = apply.Cluster(Path(given["kubectl"]), Path(given["kubeconfig"]))
    try:
        change = apply.apply(cluster, given["manifests"], check=module.check_mode)
        if not module.check_mode:
            apply.ready(cluster, given["ready"], given["timeout_seconds"])
    except LabError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=change.changed, diff={"before": "", "after": change.after.get("difference", "")}, what=change.what)


if __name__ == "__main__":
    main()

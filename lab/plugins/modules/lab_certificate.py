#!/usr/bin/python
"""A certificate of the lab's own authority; a thin adapter over lab.ca, for localhost only."""

import sys
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: lab_certificate
short_description: Signs a machine's key for some names, unless the certificate at hand still serves
options:
  authority: {description: Folder of the authority on the controller, type: path, required: true}
  csr: {description: The signing request. Empty in a dry run before the machine has a key, type: str, required: true}
  names: {description: Host names and addresses the certificate is good for, type: list, elements: str, required: true}
  current: {description: The certificate at hand, type: str, default: ""}
  project: {description: The project's folder, type: path, required: true}
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "authority": {"type": "path", "required": True},
            "csr": {"type": "str", "required": True},
            "names": {"type": "list", "elements": "str", "required": True},
            "current": {"type": "str", "default": ""},
            "project": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    sys.path.insert(0, str(Path(module.params["project"])))
    from lab import ca
    from lab.errors import LabError

    folder, csr = Path(module.params["authority"]), module.params["csr"]
    # A dry run may come before the authority, and before the machine's key.
    if module.check_mode and (not csr or not (folder / ca.KEY).exists()):
        module.exit_json(changed=True, certificate="", reason="nothing is there yet")
    try:
        issued = ca.issue(folder, csr, module.params["names"], module.params["current"])
    except LabError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=issued.changed, certificate=issued.text, reason=issued.reason)


if __name__ == "__main__":
    main()

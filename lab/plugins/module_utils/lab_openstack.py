"""What every lab_openstack_* module does: read its options, call lab.openstack in the project, report. For localhost only."""

import sys
from pathlib import Path

import yaml
from ansible.module_utils.basic import AnsibleModule

SECRET = ("password", "passwords", "user_data")
# The same for every module; documented in doc_fragments/lab_openstack.py.
SHARED = {
    "project_folder": {"type": "path", "required": True},
    "cloud": {
        "type": "dict",
        "required": True,
        "options": {
            "auth_url": {"type": "str", "required": True},
            "user": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "project": {"type": "str"},
            "user_domain": {"type": "str"},
            "project_domain": {"type": "str"},
            "system": {"type": "bool"},
            "region": {"type": "str"},
            "ca_file": {"type": "path"},
            "address": {"type": "str"},
        },
    },
}


def arguments(documentation):
    """The argument spec, from the one place where options are written down."""
    found = dict(SHARED)
    for name, option in yaml.safe_load(documentation).get("options", {}).items():
        found[name] = {key: value for key, value in option.items() if key in ("type", "elements", "required", "choices", "default")}
        # Public keys are no secret though their names say `key`.
        found[name]["no_log"] = name in SECRET
    return found


def run(name, documentation):
    """The whole of a module."""
    module = AnsibleModule(argument_spec=arguments(documentation), supports_check_mode=True)
    # The library stays out of Ansible's module payload, so that messages and types are the same everywhere.
    sys.path.insert(0, str(Path(module.params["project_folder"])))
    from lab.errors import LabError
    from lab.openstack import task

    try:
        done = task.run(name, module.params, check=module.check_mode)
    except LabError as error:
        module.fail_json(msg=str(error))
    for missing in done.facts.get("does_not_exist_yet", ()):
        module.warn(f"{done.what}: {missing} does not exist yet; an earlier step would make it")
    module.exit_json(changed=done.changed, diff={"before": done.before, "after": done.after}, what=done.what, known=done.facts)

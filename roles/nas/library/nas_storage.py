#!/usr/bin/python
"""Ansible's way into nas_layout: pools and datasets as the layout says, check mode and all problems at once.

It leaves the code and the layout behind, so that a boot mounts with what has made them.
"""

import inspect
import json
from pathlib import Path
from types import ModuleType

from ansible.module_utils import nas_filesystems, nas_layout, nas_pools
from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: nas_storage
short_description: Makes and mounts the pools and datasets of a NAS
options:
  command:
    description: build makes, grows and mounts; owners sets owners and modes and reads them again.
    type: str
    choices: [build, owners]
    default: build
  layout:
    description: "{pools: [{name, kind, path}], datasets: [{name, pool, path, size_mib, owner, group, mode}]}"
    type: dict
    required: true
"""

CODE = Path("/usr/local/lib/nas")
LAYOUT = Path("/etc/nas/layout.json")


def leave_behind(layout: dict, work: nas_pools.Work) -> None:
    """Code and layout as files."""
    modules: tuple[ModuleType, ...] = (nas_pools, nas_filesystems, nas_layout)
    files = {CODE / f"{module.__name__.rpartition('.')[2]}.py": inspect.getsource(module) for module in modules}
    files[LAYOUT] = json.dumps(layout, indent=2) + "\n"
    for file, text in files.items():
        if not file.exists() or file.read_text() != text:
            work.steps.append(f"write {file}")
            if not work.is_plan:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
                file.chmod(0o644)


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(
        {"command": {"choices": ["build", "owners"], "default": "build"}, "layout": {"type": "dict", "required": True}},
        supports_check_mode=True,
    )
    work = nas_pools.Work(module.check_mode)
    try:
        nas_layout.carry_out(module.params["command"], module.params["layout"], work)
    except nas_pools.Refusal as refusal:
        module.fail_json(msg=str(refusal), steps=work.steps)
    leave_behind(module.params["layout"], work)
    module.exit_json(changed=bool(work.steps), steps=work.steps)


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""Runs commands after files changed; in place of a handler, which is forgotten when a run ends before it is its turn."""

import hashlib
import json
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: applied
short_description: Runs commands where files are not what they were when the commands last succeeded
description:
  - Each machine keeps a record of its own. What a run that was cut off wrote and did not apply, the next run applies.
  - A file counts as changed when it was written again, also with the same content.
options:
  files: {description: Paths and patterns; what comes and goes counts too, type: list, elements: str, required: true}
  commands: {description: What to run, type: list, elements: list, required: true}
  records: {description: Folder of the records, type: path, default: /var/lib/strata/applied}
"""


def state(patterns):
    """Each file that is there: when its inode last changed, and which inode it is. A link stands for itself."""
    found = {path for pattern in patterns for path in Path("/").glob(pattern.lstrip("/"))}
    return {str(path): [status.st_ctime_ns, status.st_ino] for path in sorted(found) for status in [path.lstat()]}


def recorded(file):
    """What was applied last; nothing where that is not known."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def record(file, seen):
    """Replaces a record at once, for this may be cut off too."""
    file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False, encoding="utf-8") as new:
        json.dump(seen, new)
    Path(new.name).replace(file)


def record_of(given):
    """Where these commands for these files have their record."""
    words = json.dumps([given["files"], given["commands"]])
    return Path(given["records"]) / f"{hashlib.sha256(words.encode()).hexdigest()[:16]}.json"


def main():
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "str", "required": True},
            "commands": {"type": "list", "elements": "list", "required": True},
            "records": {"type": "path", "default": "/var/lib/strata/applied"},
        },
        supports_check_mode=True,
    )
    given = module.params
    file, seen = record_of(given), state(given["files"])
    if recorded(file) == seen:
        module.exit_json(changed=False)
    if not module.check_mode:
        for command in given["commands"]:
            module.run_command(command, check_rc=True)
        record(file, seen)
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()

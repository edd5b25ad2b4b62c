#!/usr/bin/python
"""Programs of a machine, compared by checksum, and unpacked from archives that were copied to it."""

import gzip
import hashlib
import zlib
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: programs
short_description: Says which programs of a machine are not the wanted ones, and puts those in place
description:
  - Without O(unpack) it only looks, all at once. With it, every program that is not the wanted one is unpacked from its archive in
    O(folder), which goes afterwards; a program that runs meanwhile keeps its file.
options:
  wanted:
    description: "`name`, `path` and `sha256` of each; an archive of one is called by its checksum, with .gz"
    type: list
    elements: dict
    required: true
  folder: {description: Where archives are copied to, type: path, default: /var/lib/strata/programs}
  unpack: {description: Whether to put them in place, type: bool, default: false}
"""
BLOCK = 1 << 20


def checksum(path):
    """SHA-256 of a file in hexadecimal digits; empty where there is none."""
    try:
        with Path(path).open("rb") as content:
            digest = hashlib.sha256()
            while block := content.read(BLOCK):
                digest.update(block)
    except FileNotFoundError:
        return ""
    return digest.hexdigest()


def missing(wanted):
    """Those whose file is not there or another one."""
    return [one for one in wanted if checksum(one["path"]) != one["sha256"]]


def unpack(one, folder):
    """Puts a program in the place of an older one, at once.

    Raises ValueError where its archive is damaged, which is removed, so that the next run copies it anew.
    """
    archive, program, digest = Path(folder) / (one["sha256"] + ".gz"), Path(one["path"]), hashlib.sha256()
    new = program.with_name(program.name + ".new")
    try:
        with gzip.open(archive, "rb") as packed, new.open("wb") as content:
            while block := packed.read(BLOCK):
                digest.update(block)
                content.write(block)
        problem = "" if digest.hexdigest() == one["sha256"] else "its checksum is another one"
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        problem = str(error)
    archive.unlink(missing_ok=True)
    if problem:
        new.unlink(missing_ok=True)
        raise ValueError(f"{one['name']}: what was copied is damaged ({problem}); {program} is as it was; fix: run again")
    new.chmod(0o755)  # for everybody
    new.replace(program)


def main():
    module = AnsibleModule(
        argument_spec={
            "wanted": {"type": "list", "elements": "dict", "required": True},
            "folder": {"type": "path", "default": "/var/lib/strata/programs"},
            "unpack": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    given = module.params
    found = missing(given["wanted"])
    if not given["unpack"]:
        module.exit_json(changed=False, missing=found)
    if not module.check_mode:
        for one in found:
            try:
                unpack(one, given["folder"])
            except ValueError as error:
                module.fail_json(msg=str(error))
            except FileNotFoundError as error:
                module.fail_json(msg=f"{one['name']}: {error.filename} is not there; fix: run again, it is copied anew")
    module.exit_json(changed=bool(found), missing=found)


if __name__ == "__main__":
    main()

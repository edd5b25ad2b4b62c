#!/usr/bin/python
"""Programs of a machine, compared by checksum, and unpacked from a bundle that was copied to it."""

import gzip
import hashlib
import tarfile
import zlib
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: programs
short_description: Says which programs of a machine are not the wanted ones, and puts those in place
description:
  - Without O(bundle) it only looks, all at once. With it, every program that is not the wanted one is unpacked from there; a program that
    runs meanwhile keeps its file. The bundle goes afterwards.
options:
  wanted: {description: "`name`, `path` and `sha256` of each", type: list, elements: dict, required: true}
  bundle: {description: A tar of compressed programs, each called by its checksum with .gz, type: path, default: ""}
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


def unpack(one, bundle):
    """Puts a program in the place of an older one, at once.

    Raises ValueError where the bundle is damaged or has not got it.
    """
    program, digest = Path(one["path"]), hashlib.sha256()
    new = program.with_name(program.name + ".new")
    try:
        with tarfile.open(bundle) as archive, gzip.open(archive.extractfile(one["sha256"] + ".gz")) as packed, new.open("wb") as content:
            while block := packed.read(BLOCK):
                digest.update(block)
                content.write(block)
        problem = "" if digest.hexdigest() == one["sha256"] else "its checksum is another one"
    except (tarfile.TarError, KeyError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        problem = str(error)
    if problem:
        new.unlink(missing_ok=True)
        raise ValueError(
            f"{one['name']}: what was copied is damaged ({problem}); {program} is as it was; fix: run again, it is copied anew"
        )
    new.chmod(0o755)  # for everybody
    new.replace(program)


def main():
    module = AnsibleModule(
        argument_spec={
            "wanted": {"type": "list", "elements": "dict", "required": True},
            "bundle": {"type": "path", "default": ""},
        },
        supports_check_mode=True,
    )
    bundle = module.params["bundle"]
    found = missing(module.params["wanted"])
    if not bundle:
        module.exit_json(changed=False, missing=found)
    if not module.check_mode:
        try:
            for one in found:
                unpack(one, bundle)
        except FileNotFoundError as error:
            module.fail_json(msg=f"{error.filename}: is not there; fix: run again")
        except ValueError as error:
            module.fail_json(msg=str(error))
        finally:
            Path(bundle).unlink(missing_ok=True)
    module.exit_json(changed=bool(found), missing=found)


if __name__ == "__main__":
    main()

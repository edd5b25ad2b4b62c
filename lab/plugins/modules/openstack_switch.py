#!/usr/bin/python
"""Open vSwitch of a machine as wanted: its settings, its manager, and its bridges with their ports."""

import json
import subprocess

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: openstack_switch
short_description: Settings, manager and bridges of Open vSwitch
description: Adds and changes what is named, and leaves alone what OVN and Nova make besides. A setting with an empty value is removed.
options:
  other_config: {description: How it forwards, type: dict, default: {}}
  external_ids: {description: What those who steer it have to know, type: dict, default: {}}
  manager: {description: Where it may be asked to change, type: str, required: true}
  bridges: {description: Name; datapath_type; fail_mode; ports, type: list, elements: dict, default: []}
"""


def plain(value):
    """A value as `ovs-vsctl --format=json` writes it: maps and sets are marked as such."""
    if isinstance(value, list) and value[0] == "map":
        return dict(value[1])
    if isinstance(value, list) and value[0] == "set":
        return [plain(one) for one in value[1]]
    return value


def rows(module, table, *columns):
    """The rows of a table."""
    told = json.loads(vsctl(module, "--format=json", f"--columns={','.join(columns)}", "list", table))
    return [dict(zip(told["headings"], map(plain, row), strict=True)) for row in told["data"]]


def vsctl(module, *words):
    """What ovs-vsctl says; it waits for the daemon to have done it."""
    done = subprocess.run(["ovs-vsctl", "--timeout=30", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        module.fail_json(msg=f"ovs-vsctl {' '.join(words)}: {done.stderr.strip()}; fix: look at `journalctl -u ovs-vswitchd` there")
    return done.stdout


def settings(column, have, wanted):
    """Words that bring the keys of a column to their values."""
    words = []
    for key, value in wanted.items():
        if value and have.get(key) != value:
            words += ["--", "set", "Open_vSwitch", ".", f"{column}:{key}={json.dumps(value)}"]
        elif not value and key in have:
            words += ["--", "remove", "Open_vSwitch", ".", column, key]
    return words


def bridge(wanted, have, ports):
    """Words that bring one bridge to what is wanted; `have` is its row, or nothing."""
    name, words = wanted["name"], []
    if not have:
        words += ["--", "add-br", name]
    for key in ("datapath_type", "fail_mode"):
        if not have or have[key] != wanted[key]:
            words += ["--", "set", "Bridge", name, f"{key}={wanted[key]}"]
    return words + [word for port in wanted["ports"] if port not in ports for word in ("--", "add-port", name, port)]


def main():
    module = AnsibleModule(
        argument_spec={
            "other_config": {"type": "dict", "default": {}},
            "external_ids": {"type": "dict", "default": {}},
            "manager": {"type": "str", "required": True},
            "bridges": {"type": "list", "elements": "dict", "default": []},
        },
        supports_check_mode=True,
    )
    given = module.params
    root = rows(module, "Open_vSwitch", "other_config", "external_ids")[0]
    words = [word for column in ("other_config", "external_ids") for word in settings(column, root[column], given[column])]
    if vsctl(module, "get-manager").split() != [given["manager"]]:
        words += ["--", "set-manager", given["manager"]]
    known = {row["name"]: row for row in rows(module, "Bridge", "name", "datapath_type", "fail_mode")}
    for one in given["bridges"]:
        ports = vsctl(module, "list-ports", one["name"]).split() if one["name"] in known else []
        words += bridge(one, known.get(one["name"]), ports)
    if words and not module.check_mode:
        vsctl(module, *words)  # one transaction: all of it, or nothing
    module.exit_json(changed=bool(words), words=words)


if __name__ == "__main__":
    main()

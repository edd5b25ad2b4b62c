#!/usr/bin/python
"""What decides whether a machine can be a node. Only reads."""

import os
import socket
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: kubernetes_node_facts
short_description: Control groups, memory, swap, clock and names of a machine
options:
  names: {description: Names to look up, type: list, elements: str, default: []}
"""


def controllers(text):
    """The controllers of version 2 of control groups, of its cgroup.controllers."""
    return sorted(text.split())


def memory_mib(text):
    """What a /proc/meminfo calls the whole memory."""
    return next(int(line.split()[1]) // 1024 for line in text.splitlines() if line.startswith("MemTotal:"))


def swap(text):
    """Where a /proc/swaps says that memory goes."""
    return [line.split()[0] for line in text.splitlines()[1:] if line.strip()]


def offset_seconds(text):
    """How far the clock is off, of `chronyc -c tracking`; nothing known counts as nothing wrong: its own check says so."""
    fields = text.strip().split(",")
    return float(fields[4]) if len(fields) > 4 else 0.0


def addresses(name, pause=0.5, tries=3):
    """The IPv4 addresses of a name. A resolver that just started says `try again` first, which is not an answer."""
    for left in reversed(range(tries)):
        try:
            return sorted({found[4][0] for found in socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)})
        except socket.gaierror as error:
            if error.errno != socket.EAI_AGAIN or not left:
                return []
            time.sleep(pause)
    return []


def read(path):
    """A file of the kernel; empty where there is none."""
    file = Path(path)
    return file.read_text() if file.exists() else ""


def notice(found, processors):
    """What such a machine lacks of what kubeadm asks for, and works without; nothing on one that lacks nothing."""
    lacking = [] if processors > 1 else ["it has one processor (check NumCPU)"]
    if "cpuset" not in found:
        lacking.append("its kernel has no control group for sets of processors (check SystemVerification)")
    return f"a node kubeadm would refuse: {', and '.join(lacking)}; the site tolerates it" if lacking else ""


def main():
    """Reads and reports."""
    module = AnsibleModule(argument_spec={"names": {"type": "list", "elements": "str", "default": []}}, supports_check_mode=True)
    chronyc = module.get_bin_path("chronyc")
    tracking = module.run_command([chronyc, "-c", "tracking"])[1] if chronyc else ""
    found = controllers(read("/sys/fs/cgroup/cgroup.controllers"))
    module.exit_json(
        changed=False,
        # It reaches the operator's screen through callback strata_progress.
        notice=notice(found, os.cpu_count() or 1),
        controllers=found,
        memory_mib=memory_mib(read("/proc/meminfo")),
        swap=swap(read("/proc/swaps")),
        clock_offset_seconds=offset_seconds(tracking),
        names={name: addresses(name) for name in module.params["names"]},
    )


if __name__ == "__main__":
    main()

"""The connection of the podman collection with pipelining: one `podman exec` per module where it takes six."""

from typing import Any

from ansible_collections.containers.podman.plugins.connection.podman import Connection as Podman

DOCUMENTATION = """
name: lab_podman
short_description: Runs modules in a podman container, pipelined
description:
  - As P(containers.podman.podman#connection), which sends a module as a file in six commands; here it goes in on standard input.
author: Strata
extends_documentation_fragment: connection_pipelining
options:
  remote_addr:
    description: Name of the container.
    default: inventory_hostname
    vars: [{name: inventory_hostname}, {name: ansible_host}]
  podman_extra_args:
    description: Arguments of podman itself.
    default: ""
  podman_executable:
    description: What podman is called.
    default: podman
"""


class Connection(Podman):
    """The collection's, whose commands read standard input."""

    transport = "lab_podman"
    has_pipelining = True

    def _podman(self, cmd: Any, cmd_args: Any = None, in_data: bytes | None = None, use_container_id: bool = True) -> Any:
        # Only where there is input: an open standard input that nobody closes would be waited for.
        if in_data is not None and cmd[0] == "exec":
            cmd = ["exec", "--interactive", *cmd[1:]]
        return super()._podman(cmd, cmd_args, in_data, use_container_id)

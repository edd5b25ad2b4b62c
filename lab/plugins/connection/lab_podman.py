"""Reaches a podman container of this computer by entering its namespaces: a task costs a third of what `podman exec` makes of it."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.connection import ConnectionBase, ensure_connect

DOCUMENTATION = """
name: lab_podman
short_description: Runs commands in a running podman container, as root, pipelined
description:
  - Enters all namespaces of the container's first process. Commands see what C(podman exec) shows them, but belong to the control group
    of whoever runs Ansible, so limits of the container do not hold for them.
  - For Molecule; machines of a site are reached by SSH.
author: Strata
extends_documentation_fragment: connection_pipelining
options:
  remote_addr:
    description: Name of the container.
    default: inventory_hostname
    vars: [{name: inventory_hostname}, {name: ansible_host}]
"""

# Ansible loads this by its path, from anywhere.
sys.path.insert(0, str(Path(__file__).parents[3]))

from lab.errors import LabError  # noqa: E402
from lab.platforms.podman import entering  # noqa: E402


class Connection(ConnectionBase):
    """Looks the first process up once for each task, for a container may have been started again since the last."""

    transport = "lab_podman"
    has_pipelining = True

    def _connect(self) -> "Connection":
        if not self._connected:
            try:
                self._inside = entering(str(self.get_option("remote_addr")))
            except LabError as error:
                raise AnsibleConnectionFailure(str(error)) from error
            self._connected = True
        return self

    @ensure_connect
    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Runs a command as a shell would have it split; returns its exit code and what it said."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        return self._enter(shlex.split(cmd), in_data or b"")

    @ensure_connect
    def put_file(self, in_path: str, out_path: str) -> None:
        """Sends a file as it is."""
        super().put_file(in_path, out_path)
        self._succeed(["/bin/sh", "-c", 'cat > "$0"', out_path], Path(os.fsdecode(in_path)).read_bytes())

    @ensure_connect
    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Gets a file as it is."""
        super().fetch_file(in_path, out_path)
        Path(os.fsdecode(out_path)).write_bytes(self._succeed(["/bin/cat", in_path]))

    def close(self) -> None:
        """Nothing is held open."""
        self._connected = False

    def reset(self) -> None:
        """The next command looks the container up again."""
        self.close()

    def _succeed(self, argv: list[str], given: bytes = b"") -> bytes:
        code, out, error = self._enter(argv, given)
        if code:
            raise AnsibleError(f"container {self.get_option('remote_addr')}: {shlex.join(argv)}: {error.decode(errors='replace').strip()}")
        return out

    def _enter(self, argv: list[str], given: bytes) -> tuple[int, bytes, bytes]:
        done = subprocess.run([*self._inside, *argv], input=given, capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

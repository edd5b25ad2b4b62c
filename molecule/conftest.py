"""What every check gets; the same under Molecule and on a live site."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import testinfra
from testinfra.backend.base import BaseBackend
from testinfra.host import Host

from lab import checks, playbook
from lab.inventory.machines import ALIVE
from lab.platforms.podman import entering

INVENTORY = os.environ.get("STRATA_INVENTORY") or str(Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / "inventory.yml")


@pytest.fixture(scope="session")
def inventory():
    """What `ansible-inventory --list` says; it wraps text of plugins as `{"__ansible_unsafe": text}`."""
    listed = subprocess.check_output(["ansible-inventory", "-i", INVENTORY, "--list"])
    return json.loads(listed, object_hook=lambda found: found.get("__ansible_unsafe", found))


@pytest.fixture(scope="session")
def variables(inventory):
    """`variables(name)`: the inventory variables of one machine."""
    return lambda name: inventory["_meta"]["hostvars"].get(name, {})


PLAYBOOK = Path(os.environ["STRATA_PLAYBOOK"]) if "STRATA_PLAYBOOK" in os.environ else None  # of a live site's stage


@pytest.fixture(scope="session")
def members(inventory):
    """`members(group)`: the names of a group's machines, but for those that a later stage makes."""
    absent = checks.later(PLAYBOOK, inventory) if PLAYBOOK else set()

    def expand(group):
        found = inventory.get(group, {})
        names = list(found.get("hosts", []))
        for child in found.get("children", []):
            names += [name for name in expand(child) if name not in names]
        return [name for name in names if name not in absent]

    return expand


@pytest.fixture(scope="session")
def played(inventory, members):
    """`played(role)`: the machines that the stage's playbook plays a role on; in a scenario all of them."""

    def chosen(role):
        on = playbook.machines(PLAYBOOK, inventory, role) if PLAYBOOK else set(members("lab"))
        return [name for name in inventory["_meta"]["hostvars"] if name in on]

    return chosen


@pytest.fixture(scope="session")
def lab(variables):
    """`lab(name)`: a testinfra host. Connections are testinfra's own: its Ansible backend starts a process chain per command."""
    hosts = {}

    def host(name):
        if name not in hosts:
            known = variables(name)
            if known["ansible_connection"].endswith("podman"):
                hosts[name] = Host(Inside(known["ansible_host"]))
            else:
                key, arguments = ssh(known)
                hosts[name] = testinfra.get_host(
                    f"ssh://{known.get('ansible_user', 'root')}@{known['ansible_host']}",
                    ssh_identity_file=key,
                    ssh_extra_args=arguments,
                    controlpersist=60,
                )
        return hosts[name]

    return host


class Inside(BaseBackend):
    """A container of a scenario, reached as its roles are."""

    NAME = "inside"

    def __init__(self, container):
        super().__init__(container)
        self.container = container

    def run(self, command, *args, **_):
        """By a shell, as every backend of testinfra."""
        words = [*entering(self.container), "/bin/sh", "-c", self.get_command(command, *args)]
        return self.run_local(" ".join(["%s"] * len(words)), *words)


def ssh(known):
    """(key, arguments) for a machine: a site says them, and in a scenario they are what molecule/shared/create.yml made."""
    if "ansible_ssh_private_key_file" in known:
        return known["ansible_ssh_private_key_file"], known["ansible_ssh_common_args"]
    made = os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]
    return f"{made}/id_ed25519", f"-o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile={made}/known_hosts {ALIVE}"


@pytest.fixture(scope="module")
def cluster(known):
    """The Kubernetes cluster of the machine whose variables are `known`; at the end, nothing that checks made is left in it."""
    from lab.kubernetes import live  # here and not above: most checks need nothing of it

    found = live.cluster(known)
    yield found
    live.all_gone(found)


@pytest.fixture
def namespace(cluster):
    """The name of a namespace for one check."""
    from lab.kubernetes import live

    with live.namespace(cluster) as name:
        yield name

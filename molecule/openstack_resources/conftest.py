"""What all checks of a cloud share: one project with a server on every compute, for booting takes long."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from tenant import Tenant

from lab.openstack.cloud import connect
from lab.openstack.task import login


def resolved(value):
    """In a scenario, a variable may still be what Ansible would fill in."""
    made = os.environ.get("MOLECULE_EPHEMERAL_DIRECTORY", "")
    if isinstance(value, dict):
        return {key: resolved(one) for key, one in value.items()}
    return value.replace("{{ lookup('env', 'MOLECULE_EPHEMERAL_DIRECTORY') }}", made) if isinstance(value, str) else value


@pytest.fixture(scope="session")
def known(variables, members):
    """What role openstack_resources was told."""
    found = variables(members("openstack_resources")[0])
    return resolved({key: value for key, value in found.items() if key.startswith("openstack_resources_")})


@pytest.fixture(scope="session")
def hosts(members, lab):
    """Computes by the names that Nova knows them by."""
    return [lab(name).check_output("hostname") for name in members("openstack_compute")]


@pytest.fixture(scope="session")
def tenant(known, hosts, members, lab, tmp_path_factory):
    """A project with a server on every compute; nothing of it is left."""
    visitor = lab(members("client")[0])
    made = Tenant(known["openstack_resources_cloud"], tmp_path_factory.mktemp("tenant"), visitor, hosts)
    try:
        made.make()
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="session")
def admin(known):
    """The cloud, as its administrator."""
    with connect(login(known["openstack_resources_cloud"])) as cloud:
        yield cloud

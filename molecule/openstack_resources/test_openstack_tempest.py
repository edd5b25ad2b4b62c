"""The smoke tests of OpenStack itself, from the controller, with accounts that they make and remove."""

import configparser
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lab.images import tiny
from lab.openstack import steps
from lab.openstack.cloud import connect
from lab.openstack.model import parse
from lab.openstack.state import State
from lab.openstack.task import login

# Services that every cloud has. Those of `services:` and volumes have checks of their own.
REGEX = r"^tempest\.api\.(identity|image|network|compute)\..*\[(.*,)?smoke(,.*)?\]"
SECONDS = 1100  # less than a check may take, so that what has passed is shown


@pytest.fixture(scope="module")
def things():
    """An image and a flavor that projects of the tests see."""
    mark = f"check-{uuid.uuid4().hex[:8]}"
    image = {"name": mark, "file": str(tiny.ensure()), "visibility": "public"}
    return mark, parse({"image": [image], "flavor": [{"name": mark, "vcpus": 1, "memory_mib": tiny.MEMORY_MIB, "disk_gib": 1}]})


@pytest.fixture(scope="module")
def settings(known, things, hosts):
    """What the tests have to know of this cloud."""
    told, (mark, wanted) = login(known["openstack_resources_cloud"]), things
    with connect(told) as cloud:
        try:
            steps.ensure_all(cloud, wanted)
            state = State(cloud)
            image, flavor = (state.id(kind, mark, "tempest") for kind in ("images", "flavors"))
            outside = state.id("networks", "provider", "tempest")
            access = cloud.connection.session.auth.get_access(cloud.connection.session)
            types = {entry["type"] for entry in access.service_catalog.catalog}
            extensions = sorted(str(item.alias) for item in cloud.connection.network.extensions())
            yield {
                "auth": {
                    "admin_username": told.user,
                    "admin_password": told.password.replace("$", "$$"),
                    "admin_project_name": told.project,
                    "admin_domain_name": told.user_domain,
                },
                "identity": {"uri_v3": told.auth_url, "auth_version": "v3", "region": told.region, "ca_certificates_file": told.ca_file},
                "compute": {"image_ref": image, "image_ref_alt": image, "flavor_ref": flavor, "flavor_ref_alt": flavor}
                | {"min_compute_nodes": len(hosts)},
                # No way to screens is built; and a server's key is proven by other checks, from a machine of the lab.
                "compute-feature-enabled": {"vnc_console": False},
                "validation": {"run_validation": False},
                "volume": {"catalog_type": "volumev3"},
                "network": {"public_network_id": outside, "floating_network_name": "provider"},
                # By itself it expects those of every driver; OVN has its own.
                "network-feature-enabled": {"api_extensions": ",".join(extensions)},
                "service_available": {"cinder": "volumev3" in types, "swift": "object-store" in types},
            }
        finally:
            steps.teardown(cloud, wanted)


@pytest.mark.disruptive
def test_the_smoke_tests_of_openstack_pass(known, settings, tmp_path):
    tool = Path(sys.executable).parent / "tempest"
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    subprocess.run([tool, "init", "place"], cwd=tmp_path, env=env, check=True, capture_output=True)
    file = tmp_path / "place/etc/tempest.conf"
    written = configparser.RawConfigParser()
    written.read(file)
    written.read_dict(settings)
    file.touch(mode=0o600)
    file.chmod(0o600)
    with file.open("w") as to:
        written.write(to)
    told = known["openstack_resources_cloud"]
    # The catalog's name is known in the lab only, so these processes see a file of hosts of their own.
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{told['address']} {urlsplit(told['auth_url']).hostname}\n")
    words = ["unshare", "--map-root-user", "--mount", "sh", "-ec", 'mount --bind "$1" /etc/hosts; shift; exec "$@"', "sh", hosts]
    words += ["timeout", str(SECONDS), tool, "run", "--concurrency", "2", "--regex", REGEX]
    done = subprocess.run(words, cwd=tmp_path / "place", env=env, capture_output=True, text=True, check=False)
    print(done.stdout)  # which tests passed, which were left out and why
    totals = dict(re.findall(r"^ - (\w+): (\d+)$", done.stdout, re.MULTILINE))
    failed = re.findall(r"^\{\d+\} (.*) \[[\d.]+s\] \.\.\. FAILED$", done.stdout, re.MULTILINE)
    assert (done.returncode, failed) == (0, []), f"{totals}; what tempest said is above{done.stderr[-2000:]}"
    assert int(totals["Passed"]) > 0

"""A site's affinity groups, from its file to where its VMs run: tasks/placement.yml of role ovirt_resources against a simulated engine.

The VMs are made up (BackendForTests boots nothing); the play, the modules, HTTPS, the scheduler and the migrations are real.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import inventory, secrets
from lab import site as sites
from lab.ovirt import steps
from lab.ovirt.engine import Engine
from lab.ovirt.model import thing
from lab.ovirt.sdk import types, word
from lab.ovirt.state import State
from lab.simulators.ovirt import Served
from lab.simulators.ovirt.backend import BackendForTests
from lab.stages import ROOT
from lab.tests.ovirt.conftest import NODE2, Admin, build

SITE = ROOT / "lab" / "tests" / "sites" / "valid" / "ovirt.yml"  # has affinity {web: {machines: [web1, web2], rule: apart}}
Said = dict[str, Any]


def wanted_by_the_site() -> Any:
    """What the inventory publishes of the site's groups."""
    site = sites.load(SITE)
    built = inventory.build(site, {name: f"value of {name}" for name in secrets.references(site)})
    return built["_meta"]["hostvars"]["hv1"]["ovirt_resources_affinity"]


@pytest.fixture
def play(tmp_path: Path, served: Served) -> Callable[..., Said]:
    """Runs the role's tasks as playbooks/ovirt.yml does, and gives what Ansible said of each task by its name."""
    engine = {"url": served.url, "user": served.user, "password": served.password, "ca_file": str(served.ca_file)}

    def run(groups: list[dict[str, Any]], *words: str) -> Said:
        known = {"project": str(ROOT), "engine": engine, "cluster": {"name": "main"}, "affinity": groups}
        role = {"name": "Rules", "ansible.builtin.import_role": {"name": "ovirt_resources", "tasks_from": "placement.yml"}}
        one = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [role]}
        (tmp_path / "play.yml").write_text(yaml.safe_dump([one]))
        (tmp_path / "known.json").write_text(json.dumps({f"ovirt_resources_{name}": value for name, value in known.items()}))
        own = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_LOCAL_TEMP": str(tmp_path / "ansible"), "ANSIBLE_NOCOLOR": "1"}
        own |= {"ANSIBLE_INVENTORY_ENABLED": "host_list", "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"}
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-e", f"@{tmp_path / 'known.json'}", *words]
        command.append(str(tmp_path / "play.yml"))
        done = subprocess.run(command, env=os.environ | own, cwd=ROOT, capture_output=True, text=True, check=False)
        print(done.stdout, done.stderr)
        return {"code": done.returncode, "text": done.stdout + done.stderr, "changed": "changed=0 " not in done.stdout}

    return run


@pytest.fixture
def together(engine: Engine) -> Engine:
    """Both VMs of the site's group run on node1; node2 is up, and empty."""
    build(engine)
    for name in ("web1", "web2"):
        steps.ensure(engine, thing("vm", vm(name, state="stopped")))
        give_disk(engine, name)
        steps.ensure(engine, thing("vm", vm(name)))
    steps.ensure(engine, thing("hypervisor", NODE2))
    return engine


def give_disk(engine: Engine, name: str) -> None:
    """An empty disk, without which no VM starts."""
    state, domain = State(engine), [types().StorageDomain(name="nas")]
    disks = state.service("disks")
    disk = disks.add(types().Disk(name=name, format=types().DiskFormat.RAW, provisioned_size=1024**2, storage_domains=domain))
    engine.wait(f"disk {name}", lambda: word(disks.disk_service(disk.id).get().status), lambda status: status == "ok", 5)
    service = state.service("vms").vm_service(state.id("vms", name, "test"))
    plugged = types().DiskAttachment(disk=types().Disk(id=disk.id), bootable=True, active=True, interface=types().DiskInterface.VIRTIO)
    service.disk_attachments_service().add(plugged)


def vm(name: str, **other: Any) -> dict[str, Any]:
    return {"name": name, "data_center": "lab", "cluster": "main", "template": "Blank", "memory_mib": 1024, "vcpus": 1} | other


def places(served: Served) -> dict[str, str]:
    """On the backend itself, not as the engine says."""
    backend = served.engine.backend
    assert isinstance(backend, BackendForTests)
    return {machine.name: backend.places[machine.id] for machine in backend.machines.values()}


def test_a_site_states_groups_and_its_playbook_parts_vms_that_run_together_against_them(
    together: Engine, served: Served, play: Callable[..., Said], admin: Admin
) -> None:
    groups = wanted_by_the_site()
    assert groups == [{"name": "web", "machines": ["web1", "web2"], "rule": "apart", "enforcing": True}]
    assert places(served) == {"web1": "node1", "web2": "node1"}, "the rule is to be broken to begin with"

    admin.forget()
    planned = play(groups, "--check", "--diff")
    assert (planned["code"], planned["changed"], admin.writes()) == (0, True, 0)
    assert places(served) == {"web1": "node1", "web2": "node1"}

    done = play(groups)
    assert (done["code"], done["changed"]) == (0, True)
    assert places(served) == {"web1": "node1", "web2": "node2"}

    admin.forget()
    again = play(groups)
    assert (again["code"], again["changed"], admin.writes()) == (0, False, 0)

"""The modules as Ansible runs them, against the simulated engine: check mode with diff on an empty engine, then for real, then again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.simulators.ovirt import Served
from lab.stages import ROOT
from lab.tests.ovirt.conftest import SITE, Admin


@pytest.fixture
def play(tmp_path: Path, served: Served) -> Any:
    """Runs tasks on localhost and gives what Ansible said of each, by the task's name."""
    engine = {"url": served.url, "user": served.user, "password": served.password, "ca_file": str(served.ca_file)}

    def run(tasks: list[dict[str, Any]], *words: str, fails: bool = False) -> dict[str, Any]:
        shared = {"project": str(ROOT), "engine": engine}
        written: list[dict[str, Any]] = []
        for name, values in ((name, values) for task in tasks for name, values in task.items()):
            written.append({"name": name, f"lab_ovirt_{name}": shared | values, "register": f"said_{name}", "ignore_errors": fails})
        names = [task["name"] for task in written]
        results = "{{ {" + ", ".join(f"'{name}': said_{name}" for name in names) + "} | to_json }}"
        said = {
            "name": "Keep what was said",
            "ansible.builtin.copy": {"content": results, "dest": str(tmp_path / "said.json"), "mode": "0600"},
        }
        file = tmp_path / "play.yml"
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False}
        file.write_text(yaml.safe_dump([play | {"tasks": [*written, said | {"check_mode": False, "diff": False}]}]))
        own = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_LOCAL_TEMP": str(tmp_path / "ansible")}
        own |= {"ANSIBLE_INVENTORY_ENABLED": "host_list"}
        python = {"ansible_python_interpreter": sys.executable}
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-e", json.dumps(python), *words, str(file)]
        done = subprocess.run(command, env=os.environ | own, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        assert "swordfish" not in done.stdout + done.stderr
        return dict(json.loads((tmp_path / "said.json").read_text()))

    return run


# Each task is a process of its own and takes about a second, so these are few; all kinds are in test_ovirt_steps.
KINDS = ("data_center", "cluster", "network", "hypervisor")
TASKS = [{kind: {key: value for key, value in values.items() if key != "mac_pool"}} for kind, values, _ in SITE if kind in KINDS]


def test_one_resource_per_task_in_check_mode_for_real_and_again(play: Any, admin: Admin) -> None:
    admin.forget()
    checked = play(TASKS, "--check", "--diff")
    assert admin.writes() == 0
    assert {name: result["changed"] for name, result in checked.items()} == dict.fromkeys(KINDS, True)
    assert checked["network"]["diff"]["after"]["vlan"] == 20
    assert "cluster main: data center lab does not exist yet; an earlier step would make it" in str(checked["cluster"]["warnings"])

    made = play(TASKS, "--diff")
    assert all(result["changed"] for result in made.values())
    assert {name: result["diff"]["after"] for name, result in made.items()} == {
        name: result["diff"]["after"] for name, result in checked.items()
    }

    admin.forget()
    again = play(TASKS)
    assert not any(result["changed"] for result in again.values())
    assert admin.writes() == 0
    assert "swordfish" not in json.dumps([checked, made, again])


def test_a_refusal_reaches_the_screen_as_one_message(play: Any, served: Served) -> None:
    refused = play([{"cluster": {"name": "main", "data_center": "nowhere"}}], fails=True)["cluster"]
    assert refused["msg"].startswith(
        f"{served.url}: cluster main: needs data center nowhere, which is neither in the model nor on the engine"
    )
    wrong = play([{"vm": {"name": "a b", "memory_mib": 1}}], fails=True)["vm"]["msg"].splitlines()
    assert [line.partition(": ")[0] for line in wrong] == ["vm a b"] * len(wrong) and len(wrong) > 2


def test_a_whole_model_is_one_task(play: Any, admin: Admin) -> None:
    model = {kind: [values] for kind, values, _ in SITE}
    checked = play([{"model": {"model": model}}], "--check")["model"]
    made = play([{"model": {"model": model}}])["model"]
    assert checked["known"]["changed"] == made["known"]["changed"] and len(made["known"]["changed"]) == len(SITE)
    assert play([{"model": {"model": model}}])["model"]["changed"] is False
    gone = play([{"model": {"model": model, "state": "absent"}}])["model"]
    assert gone["changed"] is True
    assert play([{"model": {"model": model, "state": "absent"}}])["model"]["changed"] is False

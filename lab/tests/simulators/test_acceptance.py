"""The collection's own modules, unmodified, from an empty engine to machines apart from each other."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lab import vendor
from lab.simulators.ovirt import serve
from lab.tests.simulators.conftest import NO_DELAYS
from lab.tests.simulators.world import admin, image

PLAY = Path(__file__).parent / "acceptance.yml"
TASKS = 22


def test_a_play_of_unmodified_modules_builds_a_whole_lab(tmp_path: Path) -> None:
    collections = Path(sys.prefix) / "collections"
    if not (collections / "ansible_collections" / "ovirt").is_dir():
        pytest.fail(f"{collections}: has no ovirt.ovirt of {vendor.COLLECTIONS}; fix: ./inv (makes .venv with it)")
    with serve(tmp_path / "simulator", delays=NO_DELAYS) as served:
        known = {"url": served.url, "user": served.user, "password": served.password, "ca_file": str(served.ca_file)}
        known["image"] = str(image(tmp_path))
        (tmp_path / "known.json").write_text(json.dumps(known))
        (tmp_path / "ansible.cfg").touch()
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        chosen = {"ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"), "PATH": path}
        chosen |= {"ANSIBLE_PYTHON_INTERPRETER": sys.executable, "ANSIBLE_LOCAL_TEMP": str(tmp_path), "ANSIBLE_NOCOLOR": "1"}
        command = ["ansible-playbook", "--inventory", "localhost,", str(PLAY), "--extra-vars", f"@{tmp_path / 'known.json'}"]
        done = subprocess.run(command, env=os.environ | chosen, capture_output=True, text=True, check=False)
        recap = re.search(r"localhost +: ok=(\d+) +changed=(\d+) +unreachable=0 +failed=0", done.stdout)
        assert recap, done.stdout[-4000:] + done.stderr[-2000:]
        assert int(recap[1]) == TASKS
        assert admin(served, "GET")["writes"] > TASKS
        assert not [path for path in admin(served, "GET", "/requests") if "simulator" in path]
        drives = sorted(file.name for file in (served.engine.folder / "drives").glob("*/openstack/latest/*"))
        assert drives == ["meta_data.json", "meta_data.json", "network_data.json", "network_data.json", "user_data", "user_data"]

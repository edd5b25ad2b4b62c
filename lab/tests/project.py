"""A small project in a temporary folder: stages whose playbooks really run, on this computer, and a site of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from lab.stages import Stage

SITE = Path(__file__).parent / "sites" / "valid" / "small.yml"
GOOD_CHECK = "def test_it_is_there():\n    assert True\n"
BAD_CHECK = "def test_it_is_there():\n    assert 'absent' == 'present'\n"


class Project:
    """Stages write a line to `trace` when their playbook runs, so that tests see which did and in what order."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.trace = root / "trace"
        self.site = root / "inventories" / "small" / "site.yml"
        self.site.parent.mkdir(parents=True)
        shutil.copy(SITE, self.site)
        (root / "playbooks").mkdir()
        (root / "requirements.lock").write_text("one\n")

    @property
    def artifacts(self) -> Path:
        """Where runs on the site leave what they make."""
        return self.site.parent / "artifacts"

    @property
    def ran(self) -> list[str]:
        """The stages whose playbooks ran, in order."""
        return self.trace.read_text().split() if self.trace.exists() else []

    def stage(self, name: str, *needs: str, command: str = "true", check: str = GOOD_CHECK) -> Stage:
        """A stage of one role of the same name; its second task runs `command`. The first is raw, which is a third of a module's work."""
        tasks = self.root / "roles" / name / "tasks"
        tasks.mkdir(parents=True)
        (tasks / "main.yml").write_text(
            f"- name: Leave a trace\n  ansible.builtin.raw: echo {name} >> {self.trace}\n  changed_when: true\n"
            f"- name: Do the work\n  ansible.builtin.shell: {json.dumps(command)}\n  changed_when: false\n"
        )
        (self.root / "playbooks" / f"{name}.yml").write_text(
            f"- name: Play of {name}\n  hosts: localhost\n  connection: local\n  gather_facts: false\n  roles: [{name}]\n"
        )
        checks = self.root / "molecule" / name
        checks.mkdir(parents=True)
        (checks / f"test_{name}.py").write_text(check)
        return Stage(name, f"stage {name}", needs, self.root)

    def files(self) -> dict[str, bytes]:
        """Every file with its content."""
        return {str(path): path.read_bytes() for path in sorted(self.root.rglob("*")) if path.is_file()}

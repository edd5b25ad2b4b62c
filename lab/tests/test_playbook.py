from pathlib import Path
from typing import Any

import pytest

from lab import playbook
from lab.errors import LabError

PLAYBOOK = """
- name: First
  hosts: router
  roles: [machine, {role: baseline}]
- name: Second
  hosts: lab:!router
  tasks:
    - name: In a block
      block:
        - name: Use
          ansible.builtin.import_role: {name: router}
        - name: Again
          include_role: {name: baseline}
"""


@pytest.fixture
def root(tmp_path: Path) -> Any:
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    for role in ("machine", "baseline", "router", "service", "other"):
        (tmp_path / "roles" / role / "tasks").mkdir(parents=True)
        (tmp_path / "roles" / role / "tasks" / "main.yml").write_text("[]\n")
    (tmp_path / "roles/router/tasks/main.yml").write_text("- name: Daemon\n  ansible.builtin.include_role: {name: service}\n")
    return tmp_path


def test_the_roles_of_a_playbook_are_found_in_role_lists_and_in_tasks(root: Path) -> None:
    assert playbook.named_roles(root / "play.yml") == ["machine", "baseline", "router"]


def test_roles_used_by_roles_are_found_too(root: Path) -> None:
    assert set(playbook.used_roles(root / "play.yml", root / "roles")) == {"machine", "baseline", "router", "service"}


def test_groups_are_read_from_host_patterns(root: Path) -> None:
    assert playbook.groups(root / "play.yml") == {"router", "lab"}


def test_files_that_change_nothing_do_not_count(root: Path) -> None:
    (root / "roles/router/README.md").write_text("words")
    (root / "roles/router/templates").mkdir()
    (root / "roles/router/templates/rules.j2").write_text("rules")
    names = {file.name for file in playbook.files(root / "play.yml", root / "roles")}
    assert "rules.j2" in names
    assert "README.md" not in names


def test_a_missing_playbook_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"none\.yml: cannot be read: No such file"):
        playbook.named_roles(tmp_path / "none.yml")


def test_members_of_a_group_include_those_of_its_children() -> None:
    inventory = {"lab": {"children": ["router", "client"]}, "router": {"hosts": ["gate"]}, "client": {"hosts": ["web"]}}
    assert playbook.members(inventory, "lab") == {"gate", "web"}


INVENTORY = {
    "_meta": {"hostvars": dict.fromkeys(("gate", "web", "tenant", "alone"))},
    "lab": {"children": ["router", "client"]},
    "router": {"hosts": ["gate"]},
    "client": {"hosts": ["web", "tenant"]},
    "platform_ovirt": {"hosts": ["tenant"]},
}


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("lab", {"gate", "web", "tenant"}),
        ("all", {"gate", "web", "tenant", "alone"}),
        ("alone", {"alone"}),
        ("lab:!router", {"web", "tenant"}),
        ("!router:lab", {"web", "tenant"}),
        ("client:&platform_ovirt", {"tenant"}),
        ("lab,alone:!platform_ovirt:!router", {"web", "alone"}),
        ("nothing", set()),
        ("localhost", set()),
    ],
)
def test_a_pattern_means_the_machines_that_ansible_takes_it_for(pattern: str, found: set[str]) -> None:
    assert playbook.matching(pattern, INVENTORY) == found


def test_machines_are_those_of_all_plays_or_of_those_that_name_a_role(root: Path) -> None:
    (root / "play.yml").write_text(
        "- name: One\n  hosts: client:!platform_ovirt\n  roles: [nas_client]\n- name: Two\n  hosts: router\n  roles: [{role: router}]\n"
    )
    assert playbook.machines(root / "play.yml", INVENTORY) == {"web", "gate"}
    assert playbook.machines(root / "play.yml", INVENTORY, "nas_client") == {"web"}
    assert playbook.machines(root / "play.yml", INVENTORY, "absent") == set()

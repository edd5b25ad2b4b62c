import socket
from pathlib import Path
from typing import Any

import pytest

from lab import plan, run, stages
from lab.tests.project import Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("ANSIBLE_ROLES_PATH", str(tmp_path / "roles"))
    return Project(tmp_path)


@pytest.fixture
def said(project: Project, monkeypatch: pytest.MonkeyPatch) -> Any:
    def call(stage: Any, there: tuple[str, ...] = ()) -> Any:
        lines: list[str] = []
        monkeypatch.setattr(stages, "select", lambda *_, **__: (stage,))
        monkeypatch.setattr(plan, "answering", lambda machines: set(there))
        code = plan.plan(project.site, say=lines.append)
        return code, "\n".join(lines)

    return call


def for_machines(project: Project, stage: Any) -> Any:
    text = stage.playbook.read_text().replace("hosts: localhost", "hosts: router")
    stage.playbook.write_text(text)
    return stage


def test_a_plan_says_why_and_leaves_the_tree_as_it_is(project: Project, said: Any) -> None:
    stage = for_machines(project, project.stage("one"))
    before = project.files()
    code, text = said(stage)
    assert code == 0
    assert "one: would be built, because\n  - it was never built" in text
    assert "one: gate (10.91.0.2): unknown, for it does not exist yet or does not answer" in text
    assert project.files() == before
    assert not project.artifacts.exists()


def test_a_plan_shows_the_diff_of_machines_that_answer_and_writes_nothing(
    project: Project, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = for_machines(project, project.stage("one"))
    (project.root / "roles/one/tasks/main.yml").write_text(
        f"- name: A file\n  ansible.builtin.copy: {{content: new, dest: {project.root}/written, mode: '0600'}}\n"
    )
    # The machine is this computer: what is tested is what a plan leaves behind, not how SSH works.
    monkeypatch.setenv("ANSIBLE_INVENTORY_ENABLED", "yaml")
    local = project.root / "local.yml"
    local.write_text("router:\n  hosts:\n    gate: {ansible_connection: local}\n")
    command = run.playbook_command
    monkeypatch.setattr(run, "playbook_command", lambda _, stage, *more: command(local, stage, *more))
    before = project.files()
    code, text = said(stage, there=("gate",))
    assert code == 0, text
    assert "+new" in text
    assert "changed=1" in text
    assert project.files() == before
    assert not project.artifacts.exists()


def test_a_plan_of_an_unchanged_stage_runs_nothing(project: Project, said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = project.stage("one")
    monkeypatch.setattr(stages, "select", lambda *_, **__: (stage,))
    assert run.up(project.site) == 0
    before = project.files()
    code, text = said(stage)
    assert (code, text) == (0, "one: nothing changed; its checks would run, and decide")
    assert project.files() == before


def test_a_machine_answers_when_something_listens() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert plan.answering({"here": "127.0.0.1"}, port=port) == {"here"}
    assert plan.answering({"gone": "127.0.0.1"}, port=port) == set()

import copy
import json
import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from lab import ledger
from lab.ledger import Ledger
from lab.tests.project import Project

OLD = {"site:gate.router_legs": "1", "site:web.baseline_users": "1", "group:router": "1", "file:roles/router/tasks/main.yml": "1"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"site:gate.router_legs": "2"}, ["site: router_legs of gate changed"]),
        ({"site:web.baseline_users": None}, ["site: baseline_users of web was removed"]),
        ({"site:nas.baseline_users": "1"}, ["site: baseline_users of nas was added"]),
        ({"file:roles/router/tasks/main.yml": "2"}, ["roles/router/tasks/main.yml changed"]),
        ({"file:requirements.lock": "1"}, ["requirements.lock was added"]),
        ({"group:router": "2"}, ["members of group router changed"]),
        ({"file:a": "1", "site:z.y": "1"}, ["site: y of z was added", "a was added"]),
    ],
)
def test_reasons_name_what_differs(changes: Any, expected: Any) -> None:
    new = {name: value for name, value in (OLD | changes).items() if value is not None}
    assert ledger.reasons(OLD, new) == expected


def test_many_reasons_are_cut() -> None:
    assert ledger.reasons({}, {f"file:{n:02}": "1" for n in range(20)})[-1] == "and 12 more"


@pytest.fixture
def stage(tmp_path: Path) -> Any:
    made = Project(tmp_path).stage("router")
    made.playbook.write_text(made.playbook.read_text().replace("hosts: localhost", "hosts: router"))
    return made


INVENTORY: dict[str, Any] = {
    "_meta": {"hostvars": {"gate": {"ansible_host": "10.0.0.1", "router_legs": [1, 2], "routers": 1, "baseline_users": []}}},
    "router": {"hosts": ["gate"]},
}


def test_a_fingerprint_has_the_variables_of_the_stages_roles_and_its_files(stage: Any) -> None:
    parts = ledger.fingerprint(stage, INVENTORY)
    assert set(parts) == {
        "site:gate.router_legs",
        "group:router",
        "file:playbooks/router.yml",
        "file:roles/router/tasks/main.yml",
        "file:requirements.lock",
    }


def test_a_fingerprint_has_no_values_in_it(stage: Any) -> None:
    inventory = copy.deepcopy(INVENTORY)
    inventory["_meta"]["hostvars"]["gate"]["router_legs"] = "correct horse"
    assert "correct horse" not in json.dumps(ledger.fingerprint(stage, inventory))


def test_a_changed_role_file_is_named(stage: Any) -> None:
    before = ledger.fingerprint(stage, INVENTORY)
    (stage.roles / "router/tasks/main.yml").write_text("[]")
    assert ledger.reasons(before, ledger.fingerprint(stage, INVENTORY)) == ["roles/router/tasks/main.yml changed"]


def test_a_ledger_is_read_back_as_written_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.json"
    Ledger(path).finish("network", OLD, 12.34, 5.0)
    entry = Ledger(path).get("network")
    assert entry and entry.fingerprint == OLD and entry.build_seconds == 12.3
    assert path.stat().st_mode & 0o777 == 0o600
    assert Ledger(path).reasons("network", OLD) == []


def test_a_stage_under_way_is_to_be_built_even_if_nothing_changed(tmp_path: Path) -> None:
    book = Ledger(tmp_path / "ledger.json")
    book.finish("network", OLD, 1, 1)
    book.begin("network")
    assert Ledger(book.path).reasons("network", OLD) == ["its last build did not finish"]


def test_a_dropped_stage_was_never_built(tmp_path: Path) -> None:
    book = Ledger(tmp_path / "ledger.json")
    book.finish("network", OLD, 1, 1)
    book.drop(["network", "unknown"])
    assert Ledger(book.path).reasons("network", OLD) == ["it was never built"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"version": 99, "stages": {}}',
        '{"version": 1}',
        '{"version": 1, "stages": []}',
        '{"version": 1, "stages": {"network": 3}}',
        '{"version": 1, "stages": {"network": {"fingerprint": []}}}',
        '{"version": 1, "stages": {"network": {"built_at": 7}}}',
        '{"version": 1, "stages": {"network": {"colour": "red"}}}',
        "\x00\xff",
    ],
)
def test_a_broken_ledger_counts_as_empty_and_is_said(tmp_path: Path, text: Any) -> None:
    path = tmp_path / "ledger.json"
    path.write_text(text)
    said: list[str] = []
    assert Ledger(path, said.append).entries == {}
    assert len(said) == 1 and said[0].startswith(f"warning: {path}: is not a ledger")


def _write_for_ever(path: Any) -> None:
    book = Ledger(path)
    while True:
        book.finish("network", {f"file:{n}": "0" * 64 for n in range(500)}, 1, 1)


def test_kill_9_leaves_a_readable_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.json"
    for _ in range(5):
        writer = multiprocessing.get_context("fork").Process(target=_write_for_ever, args=(path,))
        writer.start()
        limit = time.monotonic() + 10
        while not path.exists() and time.monotonic() < limit:
            time.sleep(0.01)
        time.sleep(0.05)
        assert writer.pid
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        said: list[str] = []
        assert Ledger(path, said.append).get("network")
        assert said == []


@pytest.mark.parametrize(("stamp", "words"), [("nonsense", "at an unknown time"), ("2020-01-01T00:00:00+00:00", "d ago")])
def test_ages_are_said_in_words(stamp: Any, words: Any) -> None:
    assert ledger.age(stamp).endswith(words)
    assert ledger.age(ledger.now()) == "just now"


def test_a_fingerprint_has_the_programs_of_our_modules_and_nothing_compiled(stage: Any) -> None:
    for name in ("modules/lab_machine.py", "callback/progress.py", "modules/__pycache__/lab_machine.pyc"):
        file = stage.root / "lab/plugins" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    image = stage.root / "lab/platforms/image/packages"
    image.parent.mkdir(parents=True)
    image.write_text("systemd\n")
    found = {name for name in ledger.fingerprint(stage, INVENTORY) if name.startswith("file:lab/")}
    assert found == {"file:lab/plugins/modules/lab_machine.py", "file:lab/platforms/image/packages"}

"""Module `applied`, which stands where handlers would be forgotten by a run that is cut off."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import basic  # type: ignore[import-untyped]

from lab.stages import ROOT


def load() -> Any:
    spec = importlib.util.spec_from_file_location("applied", ROOT / "lab" / "plugins" / "modules" / "applied.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def apply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the module on files of `tmp_path`, with a command that writes into `log`; returns its answer."""
    module = load()
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy")

    def run(command: str = "echo applied >> log", *, check: bool = False) -> dict[str, Any]:
        given = {
            "files": [f"{tmp_path}/conf*"],
            "commands": [["sh", "-c", f"cd {tmp_path} && {command}"]],
            "records": f"{tmp_path}/records",
        }
        words = json.dumps({"ANSIBLE_MODULE_ARGS": {**given, "_ansible_check_mode": check}})
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", words.encode())
        with pytest.raises(SystemExit):
            module.main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    return run


def applied(folder: Path) -> int:
    log = folder / "log"
    return len(log.read_text().splitlines()) if log.is_file() else 0


def test_what_changed_is_applied_once(tmp_path: Path, apply: Any) -> None:
    (tmp_path / "conf").write_text("one")
    assert [apply()["changed"], apply()["changed"], applied(tmp_path)] == [True, False, 1]
    (tmp_path / "conf").write_text("two")
    assert [apply()["changed"], apply()["changed"], applied(tmp_path)] == [True, False, 2]


def test_a_file_that_came_or_went_is_a_change(tmp_path: Path, apply: Any) -> None:
    (tmp_path / "conf").write_text("one")
    apply()
    (tmp_path / "conf.d").write_text("more")
    assert apply()["changed"]
    (tmp_path / "conf.d").unlink()
    assert apply()["changed"]
    assert applied(tmp_path) == 3


def test_what_could_not_be_applied_is_tried_again(tmp_path: Path, apply: Any) -> None:
    (tmp_path / "conf").write_text("one")
    failed = apply(command="test -e mended && echo applied >> log")
    assert failed["failed"]
    assert "rc" in failed
    (tmp_path / "mended").touch()
    assert apply(command="test -e mended && echo applied >> log")["changed"]
    assert applied(tmp_path) == 1


def test_a_dry_run_says_what_would_be_applied_and_applies_nothing(tmp_path: Path, apply: Any) -> None:
    (tmp_path / "conf").write_text("one")
    assert apply(check=True)["changed"]
    assert applied(tmp_path) == 0
    assert apply()["changed"]
    assert not apply(check=True)["changed"]


def test_a_damaged_record_counts_as_none(tmp_path: Path, apply: Any) -> None:
    (tmp_path / "conf").write_text("one")
    apply()
    (record,) = (tmp_path / "records").iterdir()
    record.write_text("{")
    assert apply()["changed"]
    assert applied(tmp_path) == 2

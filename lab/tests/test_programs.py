"""Module `programs`: what of a machine's programs is not the wanted one, and how it gets there."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import basic  # type: ignore[import-untyped]

from lab.stages import ROOT

CONTENT = b"a program" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the module on one program, `tmp_path/program`, whose archive is in `tmp_path`; returns its answer."""
    spec = importlib.util.spec_from_file_location("programs", ROOT / "lab" / "plugins" / "modules" / "programs.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy")

    def run(*, unpack: bool, check: bool = False) -> dict[str, Any]:
        one = {"name": "program", "path": f"{tmp_path}/program", "sha256": SHA256}
        given = {"wanted": [one], "folder": str(tmp_path), "unpack": unpack, "_ansible_check_mode": check}
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": given}).encode())
        with pytest.raises(SystemExit):
            module.main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    return run


def archive(folder: Path, content: bytes = CONTENT) -> Path:
    file = folder / f"{SHA256}.gz"
    file.write_bytes(gzip.compress(content))
    return file


def test_a_program_that_is_missing_is_told_and_nothing_is_done(tmp_path: Path, programs: Any) -> None:
    archive(tmp_path)
    answer = programs(unpack=False)
    assert [one["name"] for one in answer["missing"]] == ["program"]
    assert not answer["changed"]
    assert not (tmp_path / "program").exists()


def test_a_program_is_unpacked_once_and_its_archive_goes(tmp_path: Path, programs: Any) -> None:
    file = archive(tmp_path)
    assert programs(unpack=True)["changed"]
    assert (tmp_path / "program").read_bytes() == CONTENT
    assert (tmp_path / "program").stat().st_mode & 0o777 == 0o755
    assert not file.exists()
    assert not programs(unpack=True)["changed"]


def test_a_dry_run_tells_and_leaves_everything(tmp_path: Path, programs: Any) -> None:
    assert programs(unpack=True, check=True)["changed"]
    assert not (tmp_path / "program").exists()


@pytest.mark.parametrize(
    "damaged",
    [gzip.compress(CONTENT)[:-20], gzip.compress(CONTENT)[:12] + b"?" * 30, gzip.compress(b"another"), b"none at all"],
    ids=["cut off", "garbled", "other", "none"],
)
def test_a_damaged_archive_is_refused_and_goes_and_the_older_program_stays(tmp_path: Path, programs: Any, damaged: bytes) -> None:
    (tmp_path / "program").write_bytes(b"older")
    (tmp_path / f"{SHA256}.gz").write_bytes(damaged)
    answer = programs(unpack=True)
    assert answer["failed"]
    assert "what was copied is damaged" in answer["msg"]
    assert answer["msg"].endswith("fix: run again")
    assert (tmp_path / "program").read_bytes() == b"older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["program"]


def test_an_archive_that_was_not_copied_is_named(programs: Any) -> None:
    assert "fix: run again, it is copied anew" in programs(unpack=True)["msg"]

"""Module `programs`: what of a machine's programs is not the wanted one, and how it gets there."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import basic  # type: ignore[import-untyped]

from lab.stages import ROOT

CONTENT = b"a program" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PACKED = gzip.compress(CONTENT)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the module on one program, `tmp_path/program`; returns its answer."""
    spec = importlib.util.spec_from_file_location("programs", ROOT / "lab" / "plugins" / "modules" / "programs.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy")

    def run(bundle: str = "", *, check: bool = False) -> dict[str, Any]:
        one = {"name": "program", "path": f"{tmp_path}/program", "sha256": SHA256}
        given = {"wanted": [one], "bundle": bundle, "_ansible_check_mode": check}
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": given}).encode())
        with pytest.raises(SystemExit):
            module.main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    return run


def bundle(folder: Path, content: bytes = PACKED, name: str = f"{SHA256}.gz") -> str:
    file = folder / "bundle.tar"
    with tarfile.open(file, "w") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return str(file)


def test_a_program_that_is_missing_is_told_and_nothing_is_done(tmp_path: Path, programs: Any) -> None:
    answer = programs()
    assert [one["name"] for one in answer["missing"]] == ["program"]
    assert not answer["changed"]
    assert list(tmp_path.iterdir()) == []


def test_a_program_is_unpacked_once_and_the_bundle_goes(tmp_path: Path, programs: Any) -> None:
    assert programs(bundle(tmp_path))["changed"]
    assert (tmp_path / "program").read_bytes() == CONTENT
    assert (tmp_path / "program").stat().st_mode & 0o777 == 0o755
    assert [path.name for path in tmp_path.iterdir()] == ["program"]
    assert programs()["missing"] == []
    assert not programs(bundle(tmp_path))["changed"]


def test_a_dry_run_tells_and_leaves_everything(tmp_path: Path, programs: Any) -> None:
    assert programs(f"{tmp_path}/bundle.tar", check=True)["changed"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "damaged",
    [PACKED[:-20], PACKED[:12] + b"?" * 30, gzip.compress(b"another"), b"none at all"],
    ids=["cut off", "garbled", "other", "none"],
)
def test_a_damaged_bundle_is_refused_and_goes_and_the_older_program_stays(tmp_path: Path, programs: Any, damaged: bytes) -> None:
    (tmp_path / "program").write_bytes(b"older")
    answer = programs(bundle(tmp_path, damaged))
    assert answer["failed"]
    assert "what was copied is damaged" in answer["msg"]
    assert answer["msg"].endswith("fix: run again, it is copied anew")
    assert (tmp_path / "program").read_bytes() == b"older"
    assert [path.name for path in tmp_path.iterdir()] == ["program"]


def test_a_bundle_without_the_program_is_refused(tmp_path: Path, programs: Any) -> None:
    assert "what was copied is damaged" in programs(bundle(tmp_path, name="another.gz"))["msg"]


def test_a_bundle_that_was_not_copied_is_named(tmp_path: Path, programs: Any) -> None:
    assert programs(f"{tmp_path}/bundle.tar")["msg"] == f"{tmp_path}/bundle.tar: is not there; fix: run again"

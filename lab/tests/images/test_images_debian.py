"""The image of new virtual machines, as far as it can be seen without building it; molecule/disk_image boots one."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.images import builder, debian
from lab.images.__main__ import main
from lab.platforms import image


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A podman that writes down what it was asked and builds nothing; `result` is what its build ends with. Returns its folder."""
    script = f"""#!/bin/sh
echo "$@" >> {tmp_path}/calls
case "$1 $2" in
  "image exists") exit 0;;
  "container exists") test -e {tmp_path}/running;;
  "run --detach") touch {tmp_path}/running;;
  "rm --force") rm {tmp_path}/running;;
  "exec "*) for file; do :; done
    echo "== 10:00:00 lays out the disk"
    echo disk > {tmp_path}/cache/$(basename "$file")
    . {tmp_path}/result;;
esac
"""
    (tmp_path / "podman").write_text(script)
    (tmp_path / "podman").chmod(0o755)
    (tmp_path / "result").write_text("exit 0\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # the lock of builds; a real one may be under way
    monkeypatch.setattr(debian, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(debian, "LOG", tmp_path / "log")
    return tmp_path


def calls(folder: Path, verb: str) -> list[str]:
    lines = (folder / "calls").read_text().splitlines() if (folder / "calls").exists() else []
    return [line for line in lines if line.startswith(verb)]


def test_the_same_recipe_has_the_same_name_and_another_suite_another() -> None:
    assert debian.name("trixie") == debian.name("trixie")
    assert debian.name("trixie").startswith("debian-trixie-")
    assert debian.name("trixie").rpartition("-")[2] != debian.name("forky").rpartition("-")[2]


def test_every_file_of_the_recipe_is_in_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = debian.name("trixie")
    copy = tmp_path / "recipe"
    shutil.copytree(debian.RECIPE, copy)
    monkeypatch.setattr(debian, "RECIPE", copy)
    assert debian.name("trixie") == before
    (copy / "__pycache__").mkdir(exist_ok=True)
    (copy / "__pycache__" / "boot_sector.pyc").write_text("not part of it")
    assert debian.name("trixie") == before
    (copy / "tree" / "etc" / "fstab").write_text("LABEL=other / ext4 defaults 0 1\n")
    assert debian.name("trixie") != before


def test_another_image_of_containers_is_another_image_of_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    before = debian.name("trixie")
    monkeypatch.setattr(image, "PACKAGES", image.PACKAGES + ",jq")
    assert debian.name("trixie") != before


def test_an_image_is_built_once_and_found_again(built: Path) -> None:
    said: list[str] = []
    file = debian.ensure("trixie", said.append)
    assert (file, file.read_text()) == (built / "cache" / f"{debian.name('trixie')}.qcow2", "disk\n")
    assert debian.ensure("trixie") == file
    assert len(calls(built, "exec")) == 1
    assert calls(built, "exec")[0].endswith(f"trixie {image.PACKAGES},{debian.PACKAGES} 3072 /out/{file.name}.partial")
    assert said == [f"template image (trixie): is built once, which takes 2 minutes or more; all it says: {built}/log"]
    assert not (built / "running").exists()


def test_a_build_that_fails_is_told_by_its_last_lines_and_leaves_no_image(built: Path) -> None:
    (built / "result").write_text("echo 'E: Unable to fetch some archives'; exit 100\n")
    with pytest.raises(
        LabError, match=r"template image \(trixie\): the build failed: .*Unable to fetch some archives; fix: read .*/log; is Deb"
    ):
        debian.ensure("trixie")
    assert not (built / "cache" / f"{debian.name('trixie')}.qcow2").exists()
    assert not (built / "running").exists()


def test_what_a_killed_build_left_is_removed_first(built: Path) -> None:
    (built / "running").touch()
    debian.ensure("trixie")
    lines = (built / "calls").read_text().splitlines()
    order = [line.split()[0] for line in lines if line.split()[0] in ("run", "rm", "exec")]
    assert order == ["rm", "run", "exec", "rm"]


def test_a_cache_that_cannot_be_made_is_named(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (built / "file").touch()
    monkeypatch.setattr(debian, "CACHE", built / "file" / "images")
    with pytest.raises(LabError, match=r"/file/images: cannot be made \(Not a directory\); fix: run as root, or make it yours"):
        debian.ensure("trixie")
    assert calls(built, "run") == []


def test_a_build_says_which_step_it_is_at(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("== 10:00:00 installs Debian trixie\nW: slow mirror\n")
    assert builder.progress(log) == "10:00:00 installs Debian trixie"
    log.write_text("")
    assert builder.progress(log) == "starts"


def test_the_command_prints_the_file_alone(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trixie"]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{built}/cache/{debian.name('trixie')}.qcow2\n"
    assert "is built once" in printed.err


def test_the_command_says_what_failed(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (built / "result").write_text("exit 1\n")
    assert main(["trixie"]) == 1
    assert "the build failed" in capsys.readouterr().err

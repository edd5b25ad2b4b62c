"""Pushing this project to the lab: from real checkouts to a real repository, over an ssh that is played by a script."""

import subprocess
from pathlib import Path

import pytest

from lab import push
from lab.change import Change
from lab.errors import LabError

SSH = """#!/bin/sh
# The last argument is the command the server would run.
for last; do :; done
printf '%s\\n' "$@" >>"$0.log"
exec sh -c "$last"
"""


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=Check", "-c", "user.email=check@localhost", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", *identity, "-C", str(folder), *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "--quiet")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "first")
    return folder


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A repository behind a program named ssh, which is found first."""
    git(tmp_path, "init", "--quiet", "--bare", "lab.git")
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(SSH)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return f"ssh://git@192.0.2.1{tmp_path}/lab.git"


def pushed(url: str, folder: Path, check: bool = False) -> Change:
    return push.push(folder, url, Path("/nowhere/key"), "ssh-ed25519 AAAA", check=check)


def test_the_checked_out_commit_is_pushed_once(checkout: Path, url: str, tmp_path: Path) -> None:
    first = pushed(url, checkout)
    assert (first.changed, first.facts) == (True, {"commit": git(checkout, "rev-parse", "HEAD")})
    assert git(tmp_path / "lab.git", "rev-parse", "main") == git(checkout, "rev-parse", "HEAD")
    assert not pushed(url, checkout).changed


def test_the_server_is_known_by_its_key_and_nobody_elses_settings_count(checkout: Path, url: str, tmp_path: Path) -> None:
    pushed(url, checkout)
    words = (tmp_path / "bin" / "ssh.log").read_text().splitlines()
    for word in ("StrictHostKeyChecking=yes", "HostKeyAlias=server", "IdentityFile=/nowhere/key", "BatchMode=yes", "/dev/null"):
        assert word in words


def test_a_plan_says_that_it_would_push_and_pushes_nothing(checkout: Path, url: str, tmp_path: Path) -> None:
    assert pushed(url, checkout, check=True).changed
    assert git(tmp_path / "lab.git", "for-each-ref") == ""
    assert pushed("ssh://git@192.0.2.1/absent", checkout, check=True).before == {push.BRANCH: "unknown"}


def test_history_there_is_never_overwritten(checkout: Path, url: str, tmp_path: Path) -> None:
    pushed(url, checkout)
    there = git(tmp_path / "lab.git", "rev-parse", "main")
    git(checkout, "commit", "--quiet", "--amend", "--allow-empty", "-m", "another first")
    with pytest.raises(LabError, match=r"its main has commits that .* lacks, so nothing was pushed; fix: git pull "):
        pushed(url, checkout)
    assert git(tmp_path / "lab.git", "rev-parse", "main") == there


def test_a_server_that_refuses_is_quoted(checkout: Path, url: str) -> None:
    with pytest.raises(LabError, match=r"cannot be read with the key /nowhere/key: .*; fix: "):
        pushed(f"{url}-absent", checkout)


def test_what_cannot_be_pushed_is_said_and_is_no_failure(checkout: Path, url: str, tmp_path: Path) -> None:
    git(checkout, "commit", "--quiet", "--allow-empty", "-m", "second")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{checkout}", "shallow")
    (tmp_path / "unpacked").mkdir()
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "--quiet")
    for name, why in (("shallow", "is a shallow clone"), ("unpacked", "is no git checkout"), ("empty", "has no commit yet")):
        change = pushed(url, tmp_path / name)
        assert not change.changed
        assert change.facts["notice"].startswith(f"this project was not pushed to {url}: {tmp_path / name} {why}")
        assert "; fix: " in change.facts["notice"]


def test_without_git_it_says_so(checkout: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "git is not installed" in pushed(url, checkout).facts["notice"]

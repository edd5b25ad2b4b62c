import os
import resource
import sys
from pathlib import Path
from typing import Any

import pytest

from lab import sandbox
from lab.errors import LabError

PURE = "25 22 0:22 / /sys rw - sysfs sysfs rw\n30 25 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
HYBRID = (
    "30 25 0:26 / /sys/fs/cgroup ro shared:4 - tmpfs tmpfs ro\n"
    "31 30 0:27 / /sys/fs/cgroup/unified rw shared:5 - cgroup2 cgroup2 rw\n"
    "32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)
COVERED = HYBRID + "90 25 0:27 / /sys/fs/cgroup rw - cgroup2 none rw\n"
NONE = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"


@pytest.mark.parametrize(("text", "expected"), [(PURE, True), (HYBRID, False), (COVERED, True), (NONE, False)])
def test_the_topmost_mount_on_the_cgroup_folder_counts(tmp_path: Path, text: str, expected: bool) -> None:
    (tmp_path / "mountinfo").write_text(text)
    assert sandbox.cgroup_is_pure_v2(tmp_path / "mountinfo") is expected


@pytest.mark.parametrize(
    ("bounding", "expected"), [("000001ffffffffff", True), ("0000000001000000", True), ("000001fffeffffff", False), ("0", False)]
)
def test_limits_may_be_raised_with_the_capability_in_the_bounding_set(tmp_path: Path, bounding: str, expected: bool) -> None:
    (tmp_path / "status").write_text(f"Name:\tx\nCapEff:\t0000000000000000\nCapBnd:\t{bounding}\n")
    assert sandbox.may_raise_limits(tmp_path / "status") is expected


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A machine of the wanted kind, whose programs are in a folder of ours."""

    def make(*programs: str, user: int = 0, restricted: bool = False) -> None:
        for name in programs:
            (tmp_path / name).touch(mode=0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("CONTAINERS_CONF", raising=False)
        monkeypatch.setattr(os, "geteuid", lambda: user)
        monkeypatch.setattr(sandbox, "RUN", tmp_path / "run")
        monkeypatch.setattr(sandbox, "DATA", tmp_path / "data")
        monkeypatch.setattr(sandbox, "is_restricted", lambda: restricted)
        monkeypatch.setattr(sandbox, "pinned_mount_namespace", lambda: tmp_path / "mnt")  # the one step that needs root

    return make


def test_root_on_an_ordinary_machine_runs_the_command_itself(machine: Any) -> None:
    machine()
    assert sandbox.command(["podman", "ps"]) == (["podman", "ps"], dict(os.environ))


def test_a_user_goes_through_sudo_with_the_same_programs(machine: Any, tmp_path: Path) -> None:
    machine("sudo", user=1000)
    assert sandbox.command(["podman", "ps"])[0] == ["sudo", "env", f"PATH={tmp_path}", "podman", "ps"]


def test_neither_root_nor_sudo_is_refused_with_the_ways_out(machine: Any) -> None:
    machine(user=1000)
    with pytest.raises(LabError, match=r"needs root; you are not root and there is no sudo; fix: run the command as root, or"):
        sandbox.command(["podman", "ps"])


def test_a_restricted_machine_gets_a_namespace_and_a_store_of_its_own(machine: Any, tmp_path: Path) -> None:
    machine(restricted=True)
    argv, env = sandbox.command(["podman", "ps"])
    assert argv == ["nsenter", f"--mount={tmp_path}/mnt", f"--wdns={Path.cwd()}", "--", "podman", "ps"]
    containers = Path(env["CONTAINERS_CONF"]).read_text()
    assert 'cgroup_manager = "cgroupfs"' in containers
    assert f'graphroot = "{tmp_path}/data/storage"' in Path(env["CONTAINERS_STORAGE_CONF"]).read_text()
    assert (tmp_path / "data/networks/podman.json").is_file()


def test_a_command_started_inside_stays_inside(machine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(restricted=True)
    monkeypatch.setenv("CONTAINERS_CONF", str(tmp_path / "run" / "containers.conf"))
    assert sandbox.command(["podman", "ps"])[0] == ["podman", "ps"]


def test_no_limit_is_above_what_this_process_may_hand_on() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert f'"nofile={hard}:{hard}"' in sandbox.limits()


def test_entering_where_nothing_is_needed_returns(machine: Any) -> None:
    machine()
    before = list(sys.orig_argv)
    sandbox.enter()
    assert sys.orig_argv == before


def test_a_file_is_replaced_at_once_and_only_when_it_differs(tmp_path: Path) -> None:
    file = tmp_path / "storage.conf"
    sandbox.write(file, "one")
    first = file.stat().st_ino
    sandbox.write(file, "one")
    assert file.stat().st_ino == first
    sandbox.write(file, "two")
    assert (file.read_text(), [entry.name for entry in tmp_path.iterdir()]) == ("two", ["storage.conf"])

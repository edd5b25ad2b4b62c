"""The tiny guest, as far as it can be seen without building it; molecule/tiny_image boots one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lab.images import builder, debian, tiny
from lab.images.__main__ import main

TREE = tiny.FILES / "tree" / "etc"
SCRIPTS = ("start", "card", "dhcp", "told", "hotplug")


def test_the_same_recipe_has_the_same_name() -> None:
    assert tiny.recipe().name == tiny.recipe().name
    assert tiny.recipe().name.startswith("tiny-")


def test_every_file_of_the_recipe_is_in_the_name_and_what_it_shares_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tiny.recipe().name
    copy = tmp_path / "tiny"
    shutil.copytree(tiny.FILES, copy)
    monkeypatch.setattr(tiny, "FILES", copy)
    assert tiny.recipe().name == before
    (copy / "tree" / "etc" / "told").write_text("another")
    assert tiny.recipe().name != before
    monkeypatch.undo()
    (tmp_path / "other.py").write_text("another loader")
    monkeypatch.setattr(tiny, "SHARED", (tmp_path / "other.py",))
    assert tiny.recipe().name != before


def test_an_image_that_is_there_is_not_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(debian, "CACHE", tmp_path)
    monkeypatch.setattr(builder, "build", lambda *_: pytest.fail("built again"))
    tiny.recipe().file.write_text("disk")
    assert main(["tiny"]) == 0
    assert capsys.readouterr().out == f"{tiny.recipe().file}\n"


def test_every_script_that_is_run_is_made_executable_and_runs_under_a_plain_shell() -> None:
    made = re.search(r"^chmod 755 (.*)$", (tiny.FILES / "build.sh").read_text(), re.MULTILINE)
    assert made is not None
    assert {Path(word).name for word in made.group(1).split()} == {*SCRIPTS, "00000080"}
    for name in SCRIPTS:
        assert (TREE / name).read_text().startswith("#!/bin/sh\n")
        subprocess.run(["sh", "-n", str(TREE / name)], check=True)


def leases(tmp_path: Path, **lease: str) -> list[str]:
    """What the script for leases does with one, by stand-ins for the commands that it calls."""
    for name in ("ip", "cat", "grep"):
        answer = {"cat": "echo 2", "grep": "exit 1"}.get(name, "")
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/calls\n{answer}\n')
        (tmp_path / name).chmod(0o755)
    script = (
        (TREE / "dhcp")
        .read_text()
        .replace("PATH=/bin", f"PATH={tmp_path}:/usr/bin:/bin")
        .replace("/etc/resolv.conf", f"{tmp_path}/resolv.conf")
    )
    script = script.replace("/dev/console", f"{tmp_path}/console").replace("/etc/told", "true")
    (tmp_path / "script").write_text(script)
    subprocess.run(["sh", str(tmp_path / "script"), "bound"], env={**os.environ, "interface": "eth0", **lease}, check=True)
    return [line for line in (tmp_path / "calls").read_text().splitlines() if line.startswith("ip ")]


def test_a_lease_is_taken_with_its_mtu_and_its_router(tmp_path: Path) -> None:
    assert leases(tmp_path, ip="10.9.0.5", mask="24", mtu="1442", router="10.9.0.1", dns="10.0.0.2") == [
        "ip link set eth0 mtu 1442",
        "ip address replace 10.9.0.5/24 dev eth0",
        "ip route replace default via 10.9.0.1 dev eth0 metric 2",
    ]
    assert (tmp_path / "resolv.conf").read_text() == "nameserver 10.0.0.2\n"


def test_where_a_lease_tells_routes_its_router_does_not_count(tmp_path: Path) -> None:
    told = "169.254.169.254/32 10.9.0.2 0.0.0.0/0 10.9.0.1 10.8.0.0/24 0.0.0.0"
    assert leases(tmp_path, ip="10.9.0.5", mask="24", router="10.9.0.99", staticroutes=told)[1:] == [
        "ip route replace 169.254.169.254/32 via 10.9.0.2 dev eth0 metric 2",
        "ip route replace 0.0.0.0/0 via 10.9.0.1 dev eth0 metric 2",
        "ip route replace 10.8.0.0/24 dev eth0 metric 2",
    ]


def test_debian_asks_the_service_of_a_cloud_last_and_never_alone() -> None:
    config = (debian.RECIPE / "tree" / "etc" / "cloud" / "cloud.cfg.d" / "95-lab.cfg").read_text()
    assert "datasource_list: [ConfigDrive, NoCloud, OpenStack]" in config

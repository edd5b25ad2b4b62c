"""Virtual machines, as far as they can be seen without root; molecule/machine boots one."""

from __future__ import annotations

import base64
import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from lab import inventory
from lab import site as sites
from lab.errors import LabError
from lab.platforms import platform, vm
from lab.platforms.uml import image, kernel
from lab.site_machines import MOST_DISKS

SITE = Path(__file__).parent / "sites" / "valid" / "vm.yml"
KEY = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 lab\n"
UPLINK = {"network": "lab-uplink", "interface": "uplink", "cidr": "10.9.0.0/24", "address": "10.9.0.3", "gateway": "10.9.0.1"}


def spec(**change: Any) -> Any:
    """What the site publishes for its virtual machine."""
    return inventory.build(sites.load(SITE), {})["_meta"]["hostvars"]["store"]["machine_spec"] | change


def words(**change: Any) -> list[str]:
    return vm.kernel_words(spec(**change), KEY)


def environment(found: list[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for option, word in itertools.pairwise(found) if option == "--env")


def test_the_site_says_what_the_machine_is_made_of() -> None:
    found = spec()
    assert (found["container"], found["memory_gib"], found["disk_gib"]) == ("virtual-store", 0.75, 4.0)
    assert found["disks"] == [{"name": "tank", "size_gib": 4.0}, {"name": "spare", "size_gib": 0.5}]
    assert [(cable["interface"], cable["bridge_mtu"]) for cable in found["cables"]] == [("storage", 9000), ("front", 1500)]


def test_disks_are_in_the_order_of_the_site_after_the_first() -> None:
    assert [word for word in words() if word.startswith("ubd")] == [
        "ubd0=/var/lib/lab-vm/root.img",
        "ubd1=/var/lib/lab-vm/tank.img",
        "ubd2=/var/lib/lab-vm/spare.img",
    ]
    assert environment(vm.surroundings(spec()))["VM_DISKS"] == "root:4096 tank:4096 spare:512"


def test_every_disk_the_site_allows_has_a_name_in_the_guest() -> None:
    rules = (image.FILES / "guest" / "60-lab-disks.rules").read_text()
    names = {f"ubd{chr(ord('a') + number)}": f"lab/disk{number}" for number in range(1, MOST_DISKS + 1)}
    assert dict(re.findall(r'KERNEL=="(\w+)", SYMLINK\+="([\w/]+)"', rules)) == names


def test_an_interface_has_name_mac_and_mtu_of_its_cable() -> None:
    cable = spec()["cables"][0]
    assert f"vec0:transport=tap,ifname=tap0,depth=128,gro=1,mac={cable['mac']},mtu=9000" in words()
    assert f"ifname=storage:{cable['mac']}" in words()
    assert environment(vm.surroundings(spec()))["VM_CABLES"] == "storage front"


def test_an_uplink_is_addressed_by_the_platform_as_a_provider_would() -> None:
    found = words(uplink=UPLINK)
    assert "ip=10.9.0.3::10.9.0.1:24::uplink:off:10.9.0.1" in found
    assert "ifname=uplink:52:54:0a:09:00:03" in found


def test_the_key_of_the_controller_is_there_before_the_first_boot() -> None:
    word = next(word for word in words() if "ssh.authorized_keys.root" in word)
    assert base64.b64decode(word.rpartition(":")[2]) == KEY


def test_memory_is_in_the_container_and_larger_by_what_the_kernel_needs_itself() -> None:
    found = vm.surroundings(spec())
    assert "/run/lab-vm:rw,exec,mode=0700,size=832m" in found
    assert "mem=768M" in words()
    assert environment(found)["TMPDIR"] == "/run/lab-vm"


def test_the_console_is_a_log_that_cannot_grow_for_ever() -> None:
    found = vm.surroundings(spec())
    assert found[-4:] == ["--log-driver", "k8s-file", "--log-opt", "max-size=2mb"]


def test_a_command_line_that_the_kernel_would_cut_is_refused() -> None:
    with pytest.raises(LabError, match=r"machine virtual-store: .* longer than 1976 characters; fix: fewer interfaces, or an ed25519 key"):
        vm.kernel_words(spec(), KEY * 40)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"public_key_file": "/elsewhere"}, True),
        ({"memory_gib": 1.0}, False),
        ({"disk_gib": 8.0}, False),
        ({"disks": []}, False),
        ({"cables": []}, False),
    ],
)
def test_hardware_is_what_a_running_machine_cannot_change(change: dict[str, Any], same: bool) -> None:
    machine = vm.Vm()
    assert (machine.hardware(spec(**change)) == machine.hardware(spec())) is same


def test_the_backend_in_use_is_said() -> None:
    assert platform("vm").backend() == "User Mode Linux"


def test_another_kernel_configuration_is_another_kernel_and_another_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = kernel.reference(), image.reference("trixie")
    for name in kernel.RECIPE:
        (tmp_path / name).write_bytes((kernel.FILES / name).read_bytes())
    monkeypatch.setattr(kernel, "FILES", tmp_path)
    assert (kernel.reference(), image.reference("trixie")) == before
    (tmp_path / "kernel.config").write_text("CONFIG_XFS_FS=y\n")
    assert kernel.reference() != before[0]
    assert image.reference("trixie") != before[1]


def test_a_build_says_how_far_it_is(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("== 10:00:00 configures\n  UPD x\n== 10:00:10 compiles with 2 processes\n  CC      a.o\n  CC      b.o\n  LD      c.o\n")
    assert kernel.progress(log) == "10:00:10 compiles with 2 processes, 2 of about 1800 files"
    log.write_text("")
    assert kernel.progress(log) == "starts"


def test_a_build_that_fails_is_told_by_its_last_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    podman = tmp_path / "podman"
    podman.write_text("#!/bin/sh\ncase $1 in exec) echo 'fs/nfsd/vfs.c:1: error: no room'; exit 2;; container) exit 1;; esac\n")
    podman.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(kernel, "LOG", tmp_path / "log")
    said: list[str] = []
    with pytest.raises(LabError, match=r"kernel for virtual machines \(linux-source-7.2\): the build failed: .*no room; fix: read .*log"):
        kernel.build("base", "name", said.append)
    assert str(tmp_path / "log") in said[0]

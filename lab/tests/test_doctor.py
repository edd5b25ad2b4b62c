from pathlib import Path
from typing import Any

import pytest

from lab import doctor
from lab import site as sites
from lab.sections.kubernetes import Artifacts
from lab.stages import ROOT

SITE = Path(__file__).parent / "sites" / "valid" / "small.yml"
VM = SITE.with_name("vm.yml")
CLUSTER = SITE.with_name("kubernetes-small.yml")


def told(finding: doctor.Finding) -> tuple[str, bool]:
    """Its state, and whether it says how to mend it."""
    return finding.state, bool(finding.fix)


@pytest.mark.parametrize(("version", "state"), [((3, 11, 2), "ok"), ((3, 14, 0), "ok"), ((3, 10, 12), "missing"), ((2, 7, 18), "missing")])
def test_python_is_new_enough(version: Any, state: str) -> None:
    assert told(doctor.python(version)) == (state, state == "missing")


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ('ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian 13"\n', "ok"),
        ('ID=debian\nVERSION_ID="11"\nPRETTY_NAME="Debian 11"\n', "missing"),
        ('ID=debian\nPRETTY_NAME="Debian sid"\n', "ok"),
        ("ID=fedora\nVERSION_ID=43\n", "note"),
        (None, "note"),
    ],
)
def test_the_release_is_read(tmp_path: Path, text: Any, state: str) -> None:
    if text:
        (tmp_path / "os-release").write_text(text)
    assert doctor.release(tmp_path / "os-release").state == state


@pytest.mark.parametrize(("user", "sudo", "state"), [(0, None, "ok"), (1000, "/usr/bin/sudo", "ok"), (1000, None, "missing")])
def test_root_or_sudo_is_needed(user: int, sudo: Any, state: str) -> None:
    assert told(doctor.root(user, sudo)) == (state, state == "missing")


def test_every_program_that_is_not_there_is_named_with_its_package(tmp_path: Path) -> None:
    for name in set(doctor.PROGRAMS) - {"nft", "ssh"}:
        (tmp_path / name).touch(mode=0o755)
    there, *absent = doctor.programs(str(tmp_path))
    assert there.state == "ok" and "podman" in there.detail
    assert [(finding.what, finding.fix) for finding in absent] == [
        ("nft", "apt-get install nftables"),
        ("ssh", "apt-get install openssh-client"),
    ]


def test_the_wrapper_installs_what_the_doctor_asks_for() -> None:
    wrapper = (ROOT / "inv").read_text()
    assert [name for name, package in doctor.PROGRAMS.items() if f"{name}:{package}" not in wrapper] == []


@pytest.mark.parametrize(
    ("there", "fix"),
    [
        ("xmlreader.h Python.h", ""),
        ("Python.h", "apt-get install gcc libxml2-dev"),
        ("", "apt-get install gcc libxml2-dev python3-dev"),
    ],
)
def test_the_headers_the_ovirt_sdk_is_built_with_are_asked_for_in_one_line(tmp_path: Path, there: str, fix: str) -> None:
    for name in there.split():
        (tmp_path / name).touch()
    finding = doctor.headers(tmp_path / "xmlreader.h", tmp_path / "Python.h")
    assert (finding.state, finding.fix) == ("missing" if fix else "ok", fix)


@pytest.mark.parametrize(("kind", "inside", "state"), [("cgroup2", False, "ok"), ("cgroup2", True, "note"), ("tmpfs", False, "note")])
def test_cgroups_are_told(tmp_path: Path, kind: str, inside: bool, state: str) -> None:
    (tmp_path / "mountinfo").write_text(f"30 25 0:27 / /sys/fs/cgroup rw - {kind} {kind} rw\n")
    assert doctor.cgroups(tmp_path / "mountinfo", inside=inside).state == state


@pytest.mark.parametrize(
    ("loaded", "listed", "expected"),
    [
        (("bridge", "veth", "8021q"), "", ["ok", "ok", "ok"]),
        ((), "kernel/net/bridge/bridge.ko\nkernel/drivers/net/veth.ko.xz:\nkernel/net/8021q/8021q.ko:\n", ["ok", "ok", "ok"]),
        (("bridge",), "", ["ok", "note", "note"]),
        ((), "kernel/net/bridge/bridge.ko:\n", ["ok", "missing", "note"]),
    ],
)
def test_a_kernel_has_a_feature_loaded_listed_or_does_not_say(tmp_path: Path, loaded: Any, listed: str, expected: Any) -> None:
    for name in loaded:
        (tmp_path / "module" / name).mkdir(parents=True)
    (tmp_path / "modules.dep").write_text(listed)
    assert [finding.state for finding in doctor.kernel(tmp_path / "module", tmp_path)] == expected


@pytest.mark.parametrize(
    ("switch", "policy", "state"),
    [("1", "DROP", "missing"), ("1", "ACCEPT", "ok"), ("0", "DROP", "ok"), ("1", "", "note"), (None, "DROP", "ok")],
)
def test_a_firewall_that_drops_bridged_frames_is_found(tmp_path: Path, switch: Any, policy: str, state: str) -> None:
    if switch:
        (tmp_path / "switch").write_text(f"{switch}\n")
    assert told(doctor.bridged_frames(tmp_path / "switch", policy)) == (state, state != "ok")


@pytest.mark.parametrize(("allowed", "state"), [(128, "note"), (1024, "ok"), (8192, "ok")])
def test_the_kernels_limit_of_watched_files_is_looked_at(allowed: int, state: str) -> None:
    assert told(doctor.watchers(allowed)) == (state, state == "note")


@pytest.mark.parametrize(("free_kib", "state"), [(4_000_000, "ok"), (1_000_000, "missing")])
def test_memory_has_to_hold_the_sum_of_the_machines(tmp_path: Path, free_kib: int, state: str) -> None:
    (tmp_path / "meminfo").write_text(f"MemTotal: 9 kB\nMemAvailable: {free_kib} kB\n")
    assert told(doctor.memory(tmp_path / "meminfo", sites.load(SITE))) == (state, state == "missing")


@pytest.mark.parametrize(("free_gib", "state"), [(40, "ok"), (1, "missing")])
def test_room_on_disk_is_looked_at(free_gib: int, state: str) -> None:
    assert told(doctor.disk(free_gib * doctor.GIB, 4)) == (state, state == "missing")


@pytest.mark.parametrize(
    ("containers", "is_recorded", "state"), [([], False, "ok"), (["small-gate"], True, "ok"), (["small-gate"], False, "note")]
)
def test_leftovers_are_containers_nobody_recorded(containers: Any, is_recorded: bool, state: str) -> None:
    assert told(doctor.leftovers(containers, is_recorded)) == (state, state == "note")


def test_disks_of_virtual_machines_need_room_and_those_of_containers_do_not() -> None:
    assert doctor.wanted_disk_gib(sites.load(SITE)) == doctor.IMAGES_GIB
    assert doctor.wanted_disk_gib(sites.load(VM)) == doctor.IMAGES_GIB + doctor.VM_IMAGES_GIB + 4 + 4 + 0.5


def test_compiling_a_cluster_needs_room_and_fetching_one_does_not() -> None:
    site = sites.load(CLUSTER)
    assert site.kubernetes is not None
    fetched = site.kubernetes.model_copy(update={"source": Artifacts(kind="packages")})
    less = doctor.wanted_disk_gib(site.model_copy(update={"kubernetes": fetched}))
    assert doctor.wanted_disk_gib(site) == less + doctor.KUBERNETES_GIB


def test_virtual_machines_are_plugged_in_by_taps(tmp_path: Path) -> None:
    assert told(doctor.tun(tmp_path / "tun")) == ("missing", True)
    (tmp_path / "tun").touch()
    assert told(doctor.tun(tmp_path / "tun")) == ("ok", False)


def test_kvm_is_never_required(tmp_path: Path) -> None:
    assert doctor.kvm(tmp_path / "kvm").state == "note"


def test_the_report_names_what_is_missing_and_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    found = [doctor.Finding("Python", "ok", "3.13"), doctor.Finding("nft", "missing", "not on this computer", "apt-get install nftables")]
    monkeypatch.setattr(doctor, "examine", lambda: found)
    assert doctor.report(lines.append) == 1
    assert "fix: apt-get install nftables" in lines[1]
    assert lines[-1] == "\nmissing: nft"
    monkeypatch.setattr(doctor, "examine", lambda: found[:1])
    assert doctor.report(lines.append) == 0

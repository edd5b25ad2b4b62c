"""What is known to fail is found beforehand: each fact spoiled in turn, on facts of a good machine."""

from __future__ import annotations

import copy
import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError
from lab.ovirt import prechecks
from lab.ovirt.prechecks.cpus import MARKS, lacking

FLAGS = ["vmx", "nx", *MARKS["Intel Haswell Family"][1]]
GOOD: dict[str, Any] = {
    "system": {"id": "centos", "version_id": "10", "pretty_name": "CentOS Stream 10 (Coughlan)"},
    "architecture": "x86_64",
    "memory_mib": 32000,
    "available_mib": 30000,
    "cpu": {"count": 8, "vendor": "GenuineIntel", "model": "Intel Xeon E3", "flags": FLAGS},
    "has_kvm": True,
    "space": {path: {"free_gib": 100.0, "size_gib": 200.0} for path in ("/", "/var", "/var/log", "/var/tmp")},
    "packages": {"firewalld": "2.3.1-1"},
    "services": {
        "firewalld": {"load": "loaded", "active": "active", "enabled": "enabled"},
        "NetworkManager": {"load": "loaded", "active": "active", "enabled": "enabled"},
    },
    "selinux": "Enforcing",
    "virt_use_nfs": True,
    "storage_user": "",
    "storage_group": "kvm",
    "is_clock_synchronized": True,
    "files": [],
    "fqdn": "one.lab.internal",
    "names": {"one.lab.internal": ["10.0.0.11"], "engine.lab.internal": ["10.0.0.5"]},
    "reverse": {"10.0.0.11": ["one.lab.internal"], "10.0.0.5": ["engine.lab.internal"]},
    "interfaces": {
        "lo": {"kind": "", "mode": "", "parent": "", "vlan": 0, "is_up": True, "addresses": ["127.0.0.1"]},
        "enp1s0": {"kind": "", "mode": "", "parent": "", "vlan": 0, "is_up": True, "addresses": ["10.0.0.11"]},
    },
    "gateways": ["10.0.0.1"],
    "profiles": {"enp1s0": "/etc/NetworkManager/system-connections/enp1s0.nmconnection"},
    "listening": [22],
    "proxies": {"http_proxy": "", "https_proxy": "", "no_proxy": ""},
}
HYPERVISOR = {
    "fqdn": "one.lab.internal",
    "address": "10.0.0.11",
    "interface": "enp1s0",
    "engine_fqdn": "engine.lab.internal",
    "cpu_type": "Intel Haswell Family",
}
SELF_HOSTED = {
    **HYPERVISOR,
    "engine_address": "10.0.0.5",
    "prefix": 24,
    "gateway": "10.0.0.1",
    "resolvers": ["10.0.0.1"],
    "storage": {"server": "nas.lab.internal", "path": "/srv/nas/engine"},
    "domains": ["nas.lab.internal:/srv/nas/vmstore"],
    "memory_mib": 4096,
    "vcpus": 2,
    "disk_gib": 61,
    "mac": "52:54:00:00:00:05",
    "data_center": "Default",
    "cluster": "Default",
    "password": "correct horse",
    "appliance_password": "battery staple",
}
ENGINE_FACTS = {**GOOD, "fqdn": "engine.lab.internal"}
ENGINE = {
    "fqdn": "engine.lab.internal",
    "address": "10.0.0.5",
    "engine_fqdn": "engine.lab.internal",
    "password": "correct horse",
}


def spoiled(good: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with what stands at `a/b/c` set; a part that names a folder begins with `~`."""
    found = copy.deepcopy(good)
    *parts, last = [part.replace("~", "/") for part in path.split("|")]
    at = found
    for part in parts:
        at = at[part]
    at[last] = value
    return found


def refusal(kind: str, facts: dict[str, Any], wanted: dict[str, Any], name: str = "one") -> str:
    with pytest.raises(LabError) as refused:
        prechecks.run(kind, name, facts, wanted)
    return str(refused.value)


def only(said: str) -> str:
    """The one line, which names the machine and a fix."""
    assert said.startswith("one: ") and "; fix: " in said and "\n" not in said, said
    return said


def test_a_good_machine_is_found_good() -> None:
    prechecks.run("hypervisor", "one", GOOD, HYPERVISOR)
    prechecks.run("self_hosted", "one", GOOD, SELF_HOSTED)
    prechecks.run("engine", "one", ENGINE_FACTS, ENGINE)


IN_COMMON = [
    ("system", {"id": "debian", "version_id": "13", "pretty_name": "Debian 13"}, "runs Debian 13, for which there are no packages"),
    ("system", {"id": "centos", "version_id": "8", "pretty_name": "CentOS Stream 8"}, "runs CentOS Stream 8"),
    ("system", {"id": "rocky", "version_id": "9.6", "pretty_name": "Rocky Linux 9.6"}, "Rocky do not fit together"),
    ("system", {"id": "", "version_id": "", "pretty_name": ""}, "runs an unknown system"),
    ("architecture", "aarch64", "is aarch64"),
    ("fqdn", "localhost", "calls itself localhost (`hostname --fqdn`) and not"),
    ("fqdn", "", "calls itself nothing"),
    ("gateways", [], "has no default gateway"),
    ("services|firewalld|load", "masked", "firewalld is masked"),
    ("selinux", "Permissive", "SELinux is Permissive"),
    ("selinux", "", "SELinux is not there"),
    ("space|~var~tmp|free_gib", 4.9, "/var/tmp has 4.9 GiB free, and needs 5"),
    ("is_clock_synchronized", False, "its clock is not synchronized"),
    (
        "proxies|https_proxy",
        "http://proxy.example.org:3128",
        "requests to engine.lab.internal through the proxy http://proxy.example.org:3128",
    ),
]


@pytest.mark.parametrize("kind", ["hypervisor", "engine"])
@pytest.mark.parametrize(("path", "value", "said"), IN_COMMON, ids=lambda value: str(value)[:40])
def test_what_every_machine_needs_is_looked_at(kind: str, path: str, value: Any, said: str) -> None:
    facts, wanted = (GOOD, HYPERVISOR) if kind == "hypervisor" else (ENGINE_FACTS, ENGINE)
    assert said in only(refusal(kind, spoiled(facts, path, value), wanted))


OF_A_HYPERVISOR = [
    ("names|one.lab.internal", [], "one.lab.internal has no address there"),
    (
        "names|one.lab.internal",
        ["127.0.1.1"],
        "leads to 127.0.1.1 there, and has to lead to 10.0.0.11 alone; fix: remove the name from /etc/hosts",
    ),
    ("names|one.lab.internal", ["10.0.0.11", "10.0.1.11"], "leads to 10.0.0.11, 10.0.1.11 there"),
    ("reverse|10.0.0.11", [], "10.0.0.11 leads back to no name there"),
    ("reverse|10.0.0.11", ["two.lab.internal"], "leads back to two.lab.internal there, and has to lead to one.lab.internal"),
    ("names|engine.lab.internal", [], "cannot resolve the engine's name engine.lab.internal"),
    ("names|engine.lab.internal", ["10.0.0.11"], "the engine's name engine.lab.internal leads to the hypervisor itself"),
    ("cpu|flags", [flag for flag in FLAGS if flag != "vmx"], "shows neither vmx nor svm; fix: turn VT-x or AMD-V on"),
    ("cpu|flags", [flag for flag in FLAGS if flag != "nx"], "shows no nx"),
    ("cpu|flags", [flag for flag in FLAGS if flag != "avx2"], "is no Intel Haswell Family, which its cluster counts on: it lacks avx2"),
    ("cpu|vendor", "AuthenticAMD", "it lacks vendor GenuineIntel"),
    ("has_kvm", False, "/dev/kvm is missing though its processor virtualizes; fix: modprobe"),
    ("memory_mib", 1900, "has 1900 MiB memory"),
    ("interfaces|enp1s0|addresses", [], "enp1s0 has no address, and not 10.0.0.11"),
    ("interfaces|enp1s0|kind", "team", "enp1s0 is a team"),
    ("interfaces|enp1s0|kind", "bond", "bond enp1s0 is in mode , and VMs need another"),
    ("services|NetworkManager|active", "inactive", "NetworkManager does not run"),
    (
        "profiles|enp1s0",
        "/etc/sysconfig/network-scripts/ifcfg-enp1s0",
        "enp1s0 has its profile in /etc/sysconfig/network-scripts/ifcfg-enp1s0",
    ),
    ("storage_user", "postgres", "user 36 is postgres, and has to be free for vdsm"),
    ("storage_group", "libvirt", "group 36 is libvirt, and has to be free for kvm"),
    ("packages|ovirt-engine", "4.5.7-1", "has an engine installed"),
    ("listening", [22, 54321], "something listens on port 54321, which vdsm needs; fix: ss -ltnp 'sport = :54321'"),
    ("listening", [22, 2223], "something listens on port 2223, which the server of serial consoles needs"),
]


@pytest.mark.parametrize(("path", "value", "said"), OF_A_HYPERVISOR, ids=lambda value: str(value)[:40])
def test_what_keeps_an_engine_from_adding_a_hypervisor_is_found(path: str, value: Any, said: str) -> None:
    assert said in refusal("hypervisor", spoiled(GOOD, path, value), HYPERVISOR)


def test_everything_is_said_at_once() -> None:
    facts = spoiled(spoiled(GOOD, "selinux", "Disabled"), "gateways", [])
    assert [line.split(" ")[0] for line in refusal("hypervisor", facts, HYPERVISOR).splitlines()] == ["one:", "one:"]


def test_ports_of_a_hypervisor_that_has_vdsm_are_its_own() -> None:
    prechecks.run("hypervisor", "one", spoiled(spoiled(GOOD, "packages|vdsm", "4.50"), "listening", [54321, 16514]), HYPERVISOR)


def test_a_hypervisor_whose_bridge_has_the_address_is_one_already() -> None:
    facts = spoiled(GOOD, "interfaces|enp1s0|addresses", [])
    facts["interfaces"]["ovirtmgmt"] = {**facts["interfaces"]["enp1s0"], "kind": "bridge", "addresses": ["10.0.0.11"]}
    prechecks.run("hypervisor", "one", facts, HYPERVISOR)


@pytest.mark.parametrize(
    ("name", "interface", "said"),
    [
        ("bond0", {"kind": "bond", "mode": "balance-rr"}, "bond bond0 is in mode balance-rr"),
        ("trunk", {"kind": "bond", "mode": "active-backup"}, "bond trunk has a name that setup does not look at; fix: call it bond0"),
        (
            "storage",
            {"kind": "vlan", "parent": "enp1s0", "vlan": 20},
            "VLAN interface storage has a name that setup does not take; fix: call it enp1s0.20",
        ),
    ],
)
def test_interfaces_that_setup_does_not_take_are_named(name: str, interface: dict[str, Any], said: str) -> None:
    plain = GOOD["interfaces"]["enp1s0"]
    facts = spoiled(GOOD, f"interfaces|{name}", {**plain, **interface})
    assert said in only(refusal("hypervisor", facts, {**HYPERVISOR, "interface": name}))


def test_what_is_below_a_vlan_counts_too() -> None:
    facts = spoiled(GOOD, "interfaces|bond0.20", {**GOOD["interfaces"]["enp1s0"], "kind": "vlan", "parent": "bond0", "vlan": 20})
    facts["interfaces"]["bond0"] = {**GOOD["interfaces"]["enp1s0"], "kind": "bond", "mode": "balance-alb"}
    assert "bond bond0 is in mode balance-alb" in only(refusal("hypervisor", facts, {**HYPERVISOR, "interface": "bond0.20"}))


def test_an_interface_that_is_not_there_is_compared_with_those_that_are() -> None:
    assert "has no interface eno1; fix: say the right one in the site: it has enp1s0" in only(
        refusal("hypervisor", GOOD, {**HYPERVISOR, "interface": "eno1"})
    )


def test_an_unknown_cpu_type_is_refused_and_an_empty_one_not_compared() -> None:
    assert "CPU type Intel Pentium Family of its cluster is none of those known; fix: one of: Intel Nehalem" in only(
        refusal("hypervisor", GOOD, {**HYPERVISOR, "cpu_type": "Intel Pentium Family"})
    )
    prechecks.run("hypervisor", "one", GOOD, {**HYPERVISOR, "cpu_type": ""})


def test_a_newer_processor_is_of_every_older_type() -> None:
    flags = set(MARKS["Intel Skylake Server Family"][1])
    assert lacking("Secure Intel Haswell Family", "GenuineIntel", flags) == []
    assert lacking("Intel Cascadelake Server Family", "GenuineIntel", flags) == ["avx512_vnni"]
    assert "xop" not in MARKS["AMD EPYC-Genoa"][1]  # EPYC is no successor of Opteron in this


OF_AN_ENGINE = [
    ("names|engine.lab.internal", ["127.0.0.1"], "has to lead to 10.0.0.5 alone"),
    ("memory_mib", 2048, "an engine with its data warehouse needs 4096"),
    ("listening", [443], "something listens on port 443, which the web server needs"),
    ("listening", [2222], "something listens on port 2222, which the proxy of serial consoles needs"),
    ("packages|vdsm", "4.50", "is a hypervisor (package vdsm)"),
]


@pytest.mark.parametrize(("path", "value", "said"), OF_AN_ENGINE, ids=lambda value: str(value)[:40])
def test_what_fails_in_an_engines_setup_is_found(path: str, value: Any, said: str) -> None:
    assert said in only(refusal("engine", spoiled(ENGINE_FACTS, path, value), ENGINE))


@pytest.mark.parametrize("secret", ["line\nbreak", " leading", "bell\a in it", "h4x"])
def test_a_password_the_answer_file_cannot_hold_is_refused_and_not_shown(secret: str) -> None:
    said = only(refusal("engine", ENGINE_FACTS, {**ENGINE, "password": secret}))
    assert "admin_password" in said and secret not in said


OF_A_SELF_HOSTED_ENGINE = [
    ({"memory_mib": 2048}, "2048 MiB memory, and needs 4096"),
    ({"memory_mib": 64000}, "64000 MiB memory, and 29688 are free"),
    ({"vcpus": 16}, "16 processors, and there are 8"),
    ({"disk_gib": 40}, "40 GiB, and needs 50"),
    ({"engine_address": "10.0.9.5"}, "10.0.9.5 is outside 10.0.0.0/24"),
    ({"engine_address": "10.0.0.6"}, "engine.lab.internal leads to 10.0.0.5, and the engine is to have 10.0.0.6"),
    ({"gateway": "10.0.0.254"}, "its default gateway is 10.0.0.1, and the engine's is to be 10.0.0.254"),
    ({"mac": "53:54:00:00:00:05"}, "MAC 53:54:00:00:00:05 is none of a single card"),
    ({"data_center": "our lab"}, "data center our lab has a name that setup refuses"),
    ({"data_center": "lab"}, "cluster Default is reserved for data center Default"),
    ({"domains": ["nas.lab.internal:/srv/nas/engine"]}, "nas.lab.internal:/srv/nas/engine is to hold the engine and VMs"),
    ({"appliance_password": "short"}, "appliance_password is shorter than 8"),
]


@pytest.mark.parametrize(("change", "said"), OF_A_SELF_HOSTED_ENGINE, ids=lambda value: str(value)[:40])
def test_what_fails_in_a_self_hosted_deployment_is_found(change: dict[str, Any], said: str) -> None:
    assert said in refusal("self_hosted", GOOD, {**SELF_HOSTED, **change})


def test_the_network_of_the_first_vm_has_to_be_free() -> None:
    facts = spoiled(GOOD, "interfaces|virbr7", {**GOOD["interfaces"]["enp1s0"], "addresses": ["192.168.222.1"]})
    assert "its address 192.168.222.1 is in 192.168.222.0/24" in only(refusal("self_hosted", facts, SELF_HOSTED))


def test_the_appliance_needs_room_to_be_unpacked() -> None:
    assert "/var/tmp has 6.0 GiB free, and unpacking the appliance needs 8" in only(
        refusal("self_hosted", spoiled(GOOD, "space|~var~tmp|free_gib", 6.0), SELF_HOSTED)
    )


PARTS = {
    "version": b"4.5.7\n",
    "config": b"# where databases are\n",
    "files": bytes(range(256)) * 800,
    "db/engine_backup.db": bytes(range(255)) * 800,
}


def backup(file: Path, changes: Mapping[str, bytes | None] | None = None, kind: str = "sha256", compressed: str = "w:gz") -> str:
    """An archive as engine-backup writes it; of `changes`, made after its checksums, None leaves a part out."""
    sums = "".join(f"{hashlib.new(kind, data).hexdigest()}  {name}\n" for name, data in PARTS.items())
    parts = {**PARTS, f"{kind}sum": sums.encode(), **(changes or {})}
    with tarfile.open(file, compressed) as archive:  # type: ignore[call-overload]
        for name, data in parts.items():
            if data is not None:
                member = tarfile.TarInfo(f"./{name}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return str(file)


@pytest.mark.parametrize("compressed", ["w:gz", "w:bz2", "w:xz", "w:"])
@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_a_backup_of_an_engine_is_taken(kind: str, compressed: str, tmp_path: Path) -> None:
    prechecks.run("engine", "one", ENGINE_FACTS, {**ENGINE, "restore_file": backup(tmp_path / "b", None, kind, compressed)})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"db/engine_backup.db": None}, "is no whole backup of an engine: it lacks db/engine_backup.db"),
        ({"db/engine_backup.db": b""}, "it lacks db/engine_backup.db"),  # engine-backup would pass over it
        ({"sha256sum": None}, "it lacks sha256sum"),
        ({"files": b"other"}, "is damaged: files is not what its sha256sum says"),
    ],
    ids=str,
)
def test_a_backup_that_is_not_whole_is_refused(changes: dict[str, bytes | None], said: str, tmp_path: Path) -> None:
    assert said in only(refusal("engine", ENGINE_FACTS, {**ENGINE, "restore_file": backup(tmp_path / "b", changes)}))


def test_a_backup_of_an_engine_too_old_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PARTS, "version", b"4.2.8\n")
    said = only(refusal("engine", ENGINE_FACTS, {**ENGINE, "restore_file": backup(tmp_path / "b")}))
    assert "is of an engine 4.2.8, and 4.5 restores 4.5 and 4.4 and 4.3 only" in said


def test_what_is_no_archive_or_only_a_part_of_one_is_refused(tmp_path: Path) -> None:
    whole = Path(backup(tmp_path / "whole")).read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text").write_text("not an archive")
    for name, message in {
        "absent": "the backup to restore is not there",
        "cut": "cannot be read as an archive",
        "text": "cannot be read as an archive",
    }.items():
        assert message in only(refusal("engine", ENGINE_FACTS, {**ENGINE, "restore_file": str(tmp_path / name)}))

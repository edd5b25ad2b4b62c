"""Platforms, as far as they can be seen without root; the whole of them is proven by every Molecule scenario and by the rehearsal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.errors import InputError, LabError
from lab.platforms import container, image, limits, platform, prepared, remove_all
from lab.platforms.podman import entering, exists, podman, remove_container

SPEC: dict[str, Any] = {
    "container": "lab-gate",
    "hostname": "gate",
    "image_suite": "trixie",
    "public_key_file": "/nowhere/id.pub",
    "cables": [{"network": "lab-storage", "interface": "storage", "mac": "52:54:00:00:00:01", "bridge_mtu": 9000}],
    "uplink": {"network": "lab-uplink", "interface": "uplink", "cidr": "10.9.0.0/24", "address": "10.9.0.2", "gateway": "10.9.0.1"},
}


@pytest.fixture
def fake_podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A podman of our own that writes down how it was called; its behaviour is the test's."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / "podman"


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_a_platform_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(InputError, match="platform 'cloud' does not exist; fix: use one of container, metal"):
        platform("cloud")


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"uplink": SPEC["uplink"] | {"routes": ["10.1.0.0/24"], "supernet": "10.1.0.0/16"}}, True),
        ({"public_key_file": "/elsewhere"}, True),
        ({"hostname": "other"}, False),
        ({"cables": []}, False),
        ({"uplink": SPEC["uplink"] | {"address": "10.9.0.3"}}, False),
    ],
)
def test_hardware_is_what_a_running_container_cannot_change(change: dict[str, Any], same: bool) -> None:
    assert (container.hardware(SPEC | change) == container.hardware(SPEC)) is same


def test_another_suite_is_another_image_and_the_same_recipe_the_same() -> None:
    assert image.reference("trixie") == image.reference("trixie")
    assert image.reference("trixie") != image.reference("forky")


def test_machines_with_the_same_packages_share_an_image_and_those_without_have_the_plain_one() -> None:
    assert prepared.reference("trixie", []) == image.reference("trixie")
    assert prepared.reference("trixie", ["nova-api", "keystone"]) == prepared.reference("trixie", ["keystone", "nova-api"])
    assert prepared.reference("trixie", ["keystone"]) != prepared.reference("trixie", ["nova-api"])
    assert prepared.reference("trixie", ["keystone"]) != prepared.reference("forky", ["keystone"])


def test_a_machine_without_packages_does_not_wait_for_an_image_that_is_being_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "ensure", image.reference)
    monkeypatch.setattr(prepared, "exists", lambda kind, name: True)
    monkeypatch.setattr(prepared, "exclusive", lambda name: pytest.fail("waits"))
    assert prepared.ensure("trixie", []) == image.reference("trixie")


def test_another_file_in_the_image_is_another_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = image.reference("trixie")
    for name in image.PLACES:
        (tmp_path / name).write_bytes((image.FILES / name).read_bytes())
    monkeypatch.setattr(image, "FILES", tmp_path)
    assert image.reference("trixie") == before
    (tmp_path / "90-lab.network").write_text("[Match]\n")
    assert image.reference("trixie") != before


def test_what_podman_refuses_is_said_in_its_own_words(fake_podman: Path) -> None:
    script(fake_podman, "echo 'Error: no such network' >&2; echo \"See 'podman --help'\" >&2; exit 125")
    with pytest.raises(LabError, match=r"podman network rm: Error: no such network; fix: ./inv doctor"):
        podman("network", "rm", "lab")


def test_a_podman_that_fails_is_not_taken_for_an_absent_container(fake_podman: Path) -> None:
    script(fake_podman, "echo 'database is locked' >&2; exit 125")
    with pytest.raises(LabError, match="database is locked"):
        exists("container", "lab-gate")
    script(fake_podman, "exit 1")
    assert exists("container", "lab-gate") is False


def test_a_container_whose_processes_are_still_dying_is_removed_all_the_same(fake_podman: Path) -> None:
    dying = "Error: cleaning up container c0ffee: removing container c0ffee from runtime: `crun delete --force c0ffee` failed"
    asked = fake_podman.with_name("asked")
    script(fake_podman, f'[ "$1" = rm ] || exit 0; echo >> {asked}; [ "$(wc -l < {asked})" = 2 ] || {{ echo "{dying}" >&2; exit 1; }}')
    remove_container("lab-gate")
    assert len(asked.read_text().splitlines()) == 2


def test_a_container_that_cannot_be_removed_is_said_at_once(fake_podman: Path) -> None:
    script(fake_podman, '[ "$1" = rm ] || exit 0; echo "Error: has dependent containers" >&2; exit 125')
    with pytest.raises(LabError, match=r"container lab-gate: removed: failed after 0 s; last seen: .*has dependent containers"):
        remove_container("lab-gate")


def test_a_container_that_is_not_there_needs_no_removal(fake_podman: Path) -> None:
    script(fake_podman, 'echo "Error: no container with name lab-gate" >&2; exit 1')
    remove_container("lab-gate")


def test_a_container_that_does_not_run_cannot_be_entered(fake_podman: Path) -> None:
    script(fake_podman, "echo 0")
    with pytest.raises(LabError, match=r"container lab-gate: does not run; fix: ./inv up starts a site's machines"):
        entering("lab-gate")


def test_a_container_is_entered_without_the_environment_of_the_controller(fake_podman: Path) -> None:
    script(fake_podman, "echo 4711")
    words = entering("lab-gate")
    assert words[:3] == ["nsenter", "--target", "4711"]
    assert "--ignore-environment" in words


def test_no_podman_is_said_with_the_command_that_mends_it(fake_podman: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(fake_podman.parent))
    with pytest.raises(LabError, match="not on this machine; fix: apt-get install podman"):
        podman("ps")


def test_check_mode_only_asks_and_says_what_would_be_made(fake_podman: Path, tmp_path: Path) -> None:
    script(fake_podman, f'echo "$@" >> {tmp_path}/calls; exit 1')
    change = container.Container().ensure("gate", SPEC, check=True)
    assert (change.changed, change.before, change.after["state"]) == (True, {}, "running")
    assert {line.split()[1] for line in (tmp_path / "calls").read_text().splitlines()} == {"exists"}


def test_a_container_with_other_cables_is_refused_and_not_replaced(fake_podman: Path) -> None:
    found = '[{"State": {"Status": "running"}, "Config": {"Labels": {"strata.hardware": "0123", "strata.owner": "/nowhere/id.pub"}}}]'
    script(fake_podman, f"case $2 in exists) exit 0;; inspect) echo '{found}';; *) exit 9;; esac")
    with pytest.raises(LabError, match=r"machine gate: container lab-gate was made with other cables .*; fix: ./inv down"):
        container.Container().ensure("gate", SPEC)


def test_a_missing_key_of_the_controller_is_named() -> None:
    with pytest.raises(LabError, match=r"/nowhere/id.pub: is missing"):
        container.read_key(Path("/nowhere/id.pub"))


def test_metal_is_never_removed_and_the_router_goes_last(fake_podman: Path, tmp_path: Path) -> None:
    script(
        fake_podman,
        f'echo "$@" >> {tmp_path}/calls; case "$1 $2" in "container exists") exit 0;; "container inspect") '
        """echo '[{"State": {"Status": "running"}, "Config": {"Labels": {}}}]';; "network exists") exit 1;; esac""",
    )
    machines = {
        "gate": {"machine_platform": "container", "machine_spec": SPEC},
        "nas": {"machine_platform": "metal", "machine_spec": {"address": "10.1.0.5"}},
        "web": {"machine_platform": "container", "machine_spec": SPEC | {"container": "lab-web", "uplink": None}},
    }
    said: list[str] = []
    assert [change.what for change in remove_all(machines, said.append)] == ["machine web", "machine gate"]
    removed = [line.split()[-1] for line in (tmp_path / "calls").read_text().splitlines() if line.startswith("rm ")]
    assert (removed, said) == (["lab-web", "lab-gate"], ["web: removed", "gate: removed"])


def test_a_machine_of_another_clone_is_not_taken_over() -> None:
    spec = {"container": "rehearsal-web", "public_key_file": "/here/id.pub"}
    container.refuse_foreign("web", spec, {})
    container.refuse_foreign("web", spec, {"owner": "/here/id.pub"})
    with pytest.raises(LabError, match=r"container rehearsal-web belongs to another copy of this site, whose key is /there/id.pub; fix: "):
        container.refuse_foreign("web", spec, {"owner": "/there/id.pub"})


def legs(*names: str) -> dict[str, Any]:
    cables = [{"network": f"lab-{name}", "interface": name, "mac": "52:54:00:00:00:01", "bridge_mtu": 1500} for name in names]
    return SPEC | {"cables": cables, "uplink": None}


@pytest.mark.parametrize("spec", [SPEC | {"cables": legs("eth0", "eth1")["cables"]}, legs("eth0")])
def test_with_an_uplink_or_one_leg_there_is_one_way_out(spec: dict[str, Any]) -> None:
    assert container.Container().further_legs(spec) == {}


def test_a_machine_goes_out_by_its_first_leg(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, str] = {}
    monkeypatch.setattr(container, "state", lambda name: {"state": "running"})
    monkeypatch.setattr(container, "podman", lambda *words: "".join(f"{kept.get(file, '')}\0" for file in words[6:]))
    lacking = container.Container().further_legs(legs("eth0", "eth1", "eth2"))
    assert list(lacking) == ["/etc/systemd/network/80-eth1.network", "/etc/systemd/network/80-eth2.network"]
    assert all(f"RouteMetric={container.FURTHER_LEG_METRIC}" in text and "DHCP=ipv4" in text for text in lacking.values())
    kept |= lacking
    assert container.Container().further_legs(legs("eth0", "eth1", "eth2")) == {}


@pytest.mark.parametrize(("before", "after"), [("128\n", 1024), ("8192\n", 8192)])
def test_the_limit_of_watched_files_is_raised_and_never_lowered(tmp_path: Path, before: str, after: int) -> None:
    file = tmp_path / "max_user_instances"
    file.write_text(before)
    limits.allow_watchers(file)
    assert limits.watchers(file) == after


def test_a_kernel_that_does_not_tell_its_limits_is_left_alone(tmp_path: Path) -> None:
    limits.allow_watchers(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()

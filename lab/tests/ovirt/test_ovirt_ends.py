"""What goes: snapshots beyond those that are kept, a model in the order in which an engine lets go, backups that are not whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab.ovirt.backup import verify
from lab.ovirt.images import sha256
from lab.ovirt.plan import Found, Seen
from lab.ovirt.snapshots import Snapshot, to_prune
from lab.ovirt.teardown import to_remove
from lab.tests.ovirt.test_ovirt_plan import THINGS, model, there


def snapshot(day: int, description: str = "nightly", status: str = "ok") -> Snapshot:
    return Snapshot(f"{description}-{day}", description, datetime(2024, 1, day, tzinfo=UTC), status)


@pytest.mark.parametrize(
    ("snapshots", "keep", "gone"),
    [
        ([], 2, []),
        ([snapshot(1), snapshot(2)], 2, []),
        ([snapshot(3), snapshot(1), snapshot(2)], 2, ["nightly-1"]),
        ([snapshot(3), snapshot(1), snapshot(2)], 0, ["nightly-1", "nightly-2", "nightly-3"]),
        ([snapshot(1, "by hand"), snapshot(2), snapshot(3)], 1, ["nightly-2"]),
        ([snapshot(1), snapshot(2), snapshot(3, status="locked")], 2, []),
        ([snapshot(1, status="in_preview"), snapshot(2), snapshot(3)], 1, ["nightly-2"]),
    ],
)
def test_the_oldest_go_and_only_our_own(snapshots: list[Snapshot], keep: int, gone: list[str]) -> None:
    assert [item.id for item in to_prune(snapshots, "nightly", keep)] == gone


def with_master(found: Found) -> Found:
    domain = found["storage_domain"]["nas"]
    return dict(found) | {"storage_domain": {"nas": Seen(domain.id, domain.values, {"data_center": "1", "master": True})}}


def test_a_model_is_removed_in_the_order_in_which_an_engine_lets_go() -> None:
    assert [str(ref) for ref in to_remove(model(), with_master(there()))] == [
        "affinity group main/spread",
        "vm web",
        "template debian",
        "master domain nas",
        "data center lab",
        "freed domain nas",
        "hypervisor node1",
        "cluster main",
        "mac pool lab",
    ]


def test_what_is_not_there_is_not_removed() -> None:
    assert to_remove(model(), {}) == []
    assert [str(ref) for ref in to_remove(model(), {"cluster": there()["cluster"]})] == ["cluster main"]


def test_without_its_data_center_a_network_goes_by_itself() -> None:
    things = [item for item in model() if item.kind in ("network", "vnic_profile", "hypervisor_network")]
    assert [ref.kind for ref in to_remove(things, there())] == ["vnic_profile", "hypervisor_network", "network"]


def test_every_kind_has_its_place_in_the_order() -> None:
    found = with_master(there())
    for kind in THINGS:
        to_remove([item for item in model() if item.kind == kind], found)


def saved(folder: Path) -> Path:
    disk = folder / "web.raw"
    disk.write_bytes(b"content")
    one = {"file": "web.raw", "disk": "1", "size": 7, "sha256": sha256(disk), "bootable": True}
    (folder / "backup.json").write_text(json.dumps({"vm": "web", "disks": [one]}))
    return disk


def test_a_whole_backup_has_no_problems(tmp_path: Path) -> None:
    saved(tmp_path)
    assert verify(tmp_path) == []


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda disk: disk.unlink(), "web.raw: is missing; fix: take the backup again"),
        (lambda disk: disk.write_bytes(b"c0ntent"), "web.raw: is not what was saved; fix: use another backup"),
        (lambda disk: disk.write_bytes(b"cont"), "web.raw: is not what was saved; fix: use another backup"),
        (lambda disk: (disk.parent / "backup.json").write_text("{"), "backup.json: cannot be read"),
        (lambda disk: (disk.parent / "backup.json").unlink(), "backup.json: cannot be read"),
    ],
)
def test_what_is_wrong_with_a_backup_is_named(tmp_path: Path, harm: object, message: str) -> None:
    harm(saved(tmp_path))  # type: ignore[operator]
    assert [message in problem for problem in verify(tmp_path)] == [True]

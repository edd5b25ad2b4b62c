from pathlib import Path
from typing import Any

import pytest

from lab import bringback, evidence, ledger, protection, remote, restore
from lab.sources import Snapshot, Source
from lab.tests.lost import World
from lab.tests.test_evidence import PROVEN

GIT = Source("git", "forge", ("/srv/git",))
ROW = Snapshot("forge", "git", "1a2b", "2026-11-21T16:00:00Z", 7260, 5 * 2**20)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def lines(world: World, *, is_up: bool) -> list[str]:
    book = ledger.Ledger(world.artifacts / "ledger.json")
    if is_up:
        book.finish("backup", {}, 1, 1)
    return protection.lines(world.site, world.inventory, book, print)


@pytest.mark.parametrize(
    ("rows", "why", "expected"),
    [
        ({"git": ROW}, "", "newest is 2 h 1 min old, 5.0 MiB"),
        ({"git": Snapshot("forge", "git", "1a2b", ROW.time, 60, 7, ("too old",))}, "", "newest is 1 min 00 s old, 7 B, PROBLEM: too old"),
        ({"git": Snapshot("forge", "git", "", "", 0, 0, ("no snapshot of git",))}, "", "NO BACKUP (no snapshot of git)"),
        ({}, "", "NO BACKUP"),
        ({}, "machine vault: does not let us in", "age unknown (machine vault: does not let us in)"),
    ],
)
def test_the_age_of_a_backup_is_said_or_why_nobody_knows_it(rows: Any, why: str, expected: str) -> None:
    assert protection.freshness(GIT, rows, why) == expected


def test_each_source_says_how_old_its_backup_is_and_whether_a_restore_was_proven(world: World) -> None:
    evidence.add(world.artifacts, PROVEN)
    found = {line.split(":")[0]: line for line in lines(world, is_up=True)}
    nas, git = found["backup nas-homes"], found["backup git"]
    assert git.startswith("backup git: newest is 1 h 0 min old, 0 B; restore proven ")
    assert nas.endswith(f"never restored, so nothing is proven: ./inv drill nas-homes --site {world.path}")


def test_no_machine_is_asked_before_the_stage_is_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bringback, "report", lambda *_, **__: pytest.fail("asked"))
    assert all("age unknown (stage backup is not up)" in line for line in lines(world, is_up=False))


def test_a_backup_machine_that_does_not_answer_is_waited_for_three_seconds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: Any, connect_seconds: int, limit: float) -> Any:
        assert connect_seconds <= 3 and limit <= 3
        raise remote.NoAnswer("machine vault: does not let us in; fix: look")

    monkeypatch.setattr(bringback, "report", silent)
    assert "age unknown (machine vault: does not let us in);" in lines(world, is_up=True)[0]


def test_a_restore_that_was_cut_off_is_named_with_the_command_that_continues_it(world: World) -> None:
    world.exists.discard("forge")
    world.breaks_at = "bring back"
    restore.restore(world.path, "forge", yes=True)
    assert lines(world, is_up=False)[-1].endswith(f"continue with: ./inv restore forge --site {world.path}")
    restore.forget(world.site)
    assert "unfinished" not in lines(world, is_up=False)[-1]


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (1536, "1.5 KiB"), (3 * 2**30, "3.0 GiB"), (5 * 2**40, "5.0 TiB")])
def test_sizes_are_said_as_people_say_them(count: int, text: str) -> None:
    assert protection.size(count) == text

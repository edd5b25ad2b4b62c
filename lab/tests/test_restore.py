import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lab import evidence, ledger, restore
from lab.errors import InputError, LabError
from lab.restore import plan
from lab.tests.lost import World

WHOLE = [
    "remove forge",
    "build network on forge as forge",
    "build git on forge as forge",
    "bring back git 1a2b3c4d5e",
    "build git on forge as forge",
    "check git",
    "build backup on forge,vault as forge",
    "forge: systemctl start backup@git.service",
]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    found = World(tmp_path, monkeypatch)
    found.exists.discard("forge")
    return found


def words(steps: Any) -> list[str]:
    return [str(step) for step in steps]


@pytest.mark.parametrize(
    ("exists", "has_backup", "expected"),
    [
        (False, True, "remove; build network; build git; bring_back git; adopt git; check git; build_backup; back_up git"),
        (True, True, "read git; remove; build network; build git; bring_back git; adopt git; check git; build_backup; back_up git"),
        (False, False, "remove; build network; build git; bring_back git; adopt git; check git"),
    ],
)
def test_what_still_exists_is_removed_only_after_its_backup_was_read(exists: bool, has_backup: bool, expected: str) -> None:
    assert "; ".join(words(plan(("git",), ("git",), exists=exists, has_backup=has_backup))) == expected


def test_every_source_of_a_machine_comes_back_before_anything_is_checked() -> None:
    steps = words(plan(("nas",), ("nas-a", "nas-b"), exists=False, has_backup=False))
    assert steps == ["remove", "build network", "build nas", "bring_back nas-a", "bring_back nas-b", "adopt nas", "check nas"]


def test_a_lost_machine_is_back_and_says_what_was_proven(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert restore.restore(world.path, "forge", yes=True) == 0
    assert world.happened == WHOLE
    out = capsys.readouterr().out
    assert "forge: its platform does not have it" in out
    assert out.splitlines()[-1] == "forge: is back with git; 7 checks passed, and it is backed up again"
    (entry,) = evidence.read(world.artifacts)
    assert (entry.how, entry.source, entry.result, entry.passed) == ("restore", "git", "proven", 7)
    assert 3590 < entry.rpo_seconds < 3700
    assert list((world.artifacts / restore.FOLDER).glob("*.json")) == []


def test_a_healthy_machine_is_refused(world: World) -> None:
    world.exists.add("forge")
    with pytest.raises(InputError, match=r"machine forge: is healthy.*fix: add --force"):
        restore.restore(world.path, "forge", yes=True)
    assert world.happened == ["check git"]


def test_a_healthy_machine_is_replaced_by_force_and_its_backup_read_first(world: World) -> None:
    world.exists.add("forge")
    assert restore.restore(world.path, "forge", yes=True, force=True) == 0
    assert world.happened == ["check git", "read 1a2b3c4d5e of forge", *WHOLE]


def test_a_machine_whose_backup_cannot_be_read_keeps_what_it_has(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.exists.add("forge")
    world.breaks_at, world.error = "read", LabError("pack 77 is damaged")
    assert restore.restore(world.path, "forge", yes=True, force=True) == 1
    assert "remove forge" not in world.happened
    assert "pack 77 is damaged" in capsys.readouterr().out


def test_a_machine_that_does_not_answer_is_lost(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.exists.add("forge")
    world.silent.add("forge")
    assert restore.restore(world.path, "forge", yes=True) == 0
    assert "forge: machine forge: does not let us in" in capsys.readouterr().out


def test_a_machine_that_only_stopped_is_not_lost(world: World) -> None:
    world.exists.add("forge")
    world.state = "exited"
    with pytest.raises(InputError, match=r"is exited and not lost: ./inv up starts it"):
        restore.restore(world.path, "forge", yes=True)
    assert world.happened == []


def test_a_machine_whose_checks_fail_is_lost(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.exists.add("forge")
    world.check_fails = True
    assert restore.restore(world.path, "forge", yes=True) == 1  # they fail afterwards as well, in this world
    out = capsys.readouterr().out
    assert "forge: it answers, but check: the page is served fails" in out
    assert "removed for good, with all that is newer than its backup: machine forge" in out


def test_nothing_is_done_while_the_router_is_down_for_then_every_machine_looks_lost(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.silent.add("gate")
    assert restore.restore(world.path, "forge", yes=True) == 1
    assert "nothing can be said of forge before its router answers; fix: ./inv up --only network" in capsys.readouterr().out
    assert world.happened == []


def test_nothing_is_done_where_there_is_no_backup(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.snapshot = ""
    assert restore.restore(world.path, "forge", yes=True) == 1
    assert "source git: there is no backup of it" in capsys.readouterr().out
    assert world.happened == []


@pytest.mark.parametrize(
    ("machine", "message"),
    [
        ("forgery", r"site rehearsal has no such machine; fix: did you mean forge\?"),
        ("web", "nothing on it is backed up, so there is nothing to bring back; fix: `./inv up --site .*` makes it again"),
        ("vault", "keeps the backups, so it cannot be brought back from them; fix: `./inv up --site .*` builds it anew"),
    ],
)
def test_a_machine_no_restore_is_for_is_refused_with_what_helps(world: World, machine: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        restore.restore(world.path, machine, yes=True)
    assert world.happened == []


def test_where_nobody_can_be_asked_nothing_is_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    with pytest.raises(InputError, match="add --yes if you mean it"):
        restore.restore(world.path, "forge")
    assert world.happened == []


def test_who_does_not_type_the_name_of_the_site_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    assert restore.restore(world.path, "forge", ask=lambda _: "yes") == 1
    assert capsys.readouterr().out.endswith("nothing was changed\n")
    assert world.happened == []


@pytest.mark.parametrize("error", [LabError("no luck"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", [step for step in WHOLE if step != "remove forge"])
def test_wherever_a_restore_ends_the_same_command_continues_it(
    world: World, capsys: pytest.CaptureFixture[str], at: str, error: BaseException
) -> None:
    world.breaks_at, world.error = at, error
    assert restore.restore(world.path, "forge", yes=True) == (1 if isinstance(error, LabError) else 130)
    assert capsys.readouterr().out.splitlines()[-1] == f"./inv restore forge --site {world.path} --yes"
    assert world.happened == WHOLE[: WHOLE.index(at) + 1]
    world.happened.clear()
    world.breaks_at = ""
    assert restore.restore(world.path, "forge", yes=True) == 0
    assert world.happened == [step for index, step in enumerate(WHOLE) if index >= WHOLE.index(at) or step == "check git"]


def test_a_continued_restore_takes_the_snapshot_it_began_with(world: World) -> None:
    world.breaks_at = "bring back"
    restore.restore(world.path, "forge", yes=True)
    world.breaks_at, world.snapshot = "", "feedfeed00"  # the empty machine was backed up meanwhile
    world.happened.clear()
    assert restore.restore(world.path, "forge", yes=True) == 0
    assert "bring back git 1a2b3c4d5e" in world.happened


def test_a_half_restored_machine_that_was_lost_again_is_made_again(world: World) -> None:
    world.breaks_at = "bring back"
    restore.restore(world.path, "forge", yes=True)
    world.breaks_at = ""
    world.exists.discard("forge")
    world.happened.clear()
    assert restore.restore(world.path, "forge", yes=True) == 0
    assert world.happened[-len(WHOLE) :] == WHOLE


def test_an_old_unfinished_restore_is_not_continued_by_chance(world: World) -> None:
    world.breaks_at = "bring back"
    restore.restore(world.path, "forge", yes=True)
    file = world.artifacts / restore.FOLDER / "forge.json"
    state = json.loads(file.read_text())
    file.write_text(json.dumps(state | {"started": (datetime.now(UTC) - timedelta(days=3)).isoformat()}))
    world.happened.clear()
    with pytest.raises(InputError, match=r"was begun 3 d ago and never finished.*fix: add --force to continue it, or remove"):
        restore.restore(world.path, "forge", yes=True)
    assert world.happened == []


@pytest.mark.parametrize("text", ["", "{}", '{"machine": 1}'])
def test_a_broken_state_is_not_taken_for_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "forge.json").write_text(text)
    with pytest.raises(LabError, match="is not the state of a restore"):
        restore.read(tmp_path / "forge.json")
    assert restore.read(tmp_path / "store.json") is None


def test_an_unfinished_restore_is_seen_in_status(world: World) -> None:
    world.breaks_at = "check"
    restore.restore(world.path, "forge", yes=True)
    assert restore.unfinished(world.site) == [f"restore of forge: unfinished; continue with: ./inv restore forge --site {world.path}"]


def test_the_ledger_trusts_no_stage_whose_machine_is_half_restored(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "fingerprint", lambda stage, inventory: {"site:forge.x": "same"})
    book = ledger.Ledger(world.artifacts / "ledger.json")
    book.finish("git", {"site:forge.x": "same"}, 60, 10)
    world.breaks_at = "bring back"
    restore.restore(world.path, "forge", yes=True)
    assert not ledger.Ledger(book.path).entries["git"].is_finished
    world.breaks_at = ""
    restore.restore(world.path, "forge", yes=True)
    assert ledger.Ledger(book.path).entries["git"].is_finished

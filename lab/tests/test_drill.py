from pathlib import Path
from typing import Any

import pytest

from lab import drill, evidence, overlay, sources
from lab.errors import InputError, LabError
from lab.tests.lost import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("proof", "stages", "expected"),
    [
        ("service", ("git",), "build network; build git; bring_back; build git; check git"),
        ("files", (), "make; unpack; compare; check_owners"),
        ("files", ("nas",), "make; unpack; compare; check_owners"),
        ("authority", (), "make; unpack; compare; compare_authority"),
        ("databases", ("openstack",), "build network; unpack; compare; load"),
    ],
)
def test_what_is_done_follows_from_what_the_source_is(proof: Any, stages: Any, expected: str) -> None:
    steps = drill.plan(proof, stages)
    assert "; ".join(f"{step.do} {step.what}".strip() for step in steps) == expected
    assert all(hasattr(drill.Steps, step.do) for step in steps)


WHOLE = {"dumped": "7", "loaded": "7", "broken": "0", "admins": "1", "projects": "2"}


@pytest.mark.parametrize(
    ("differs", "problem"),
    [
        ({}, ""),
        ({"loaded": "6"}, "of 7 databases in the dump, 6 could be loaded"),
        ({"dumped": "0", "loaded": "0"}, "of 0 databases in the dump, 0 could be loaded"),
        ({"broken": "2"}, "2 tables are broken"),
        ({"admins": "0"}, "the database of Keystone lacks its administrator"),
        ({"projects": "1"}, "the database of Keystone lacks its administrator or the project of the services"),
    ],
)
def test_databases_that_were_loaded_have_what_a_cloud_cannot_do_without(differs: dict[str, str], problem: str) -> None:
    assert drill.unlike(WHOLE | differs).startswith(problem)
    assert bool(drill.unlike(WHOLE | differs)) is bool(problem)


def test_a_service_is_built_and_checked_on_the_spare_machine_under_its_own_name(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert drill.drill(world.path, "git") == 0
    assert world.happened == [
        "remove lifeboat",
        "build network on forge as lifeboat",
        "build git on forge as lifeboat",
        "bring back git 1a2b3c4d5e and compare",
        "build git on forge as lifeboat",
        "check git in a drill",
        "remove lifeboat",
    ]
    assert world.exists >= {"forge"}
    assert "1 of 1 sources proven" in capsys.readouterr().out
    (entry,) = evidence.read(world.artifacts)
    assert (entry.source, entry.how, entry.result, entry.passed, entry.left_out) == ("git", "drill", "proven", 8, 2)
    assert 3590 < entry.rpo_seconds < 3700


def test_checks_get_the_file_that_names_the_stand_in(world: World) -> None:
    drill.drill(world.path, "git")
    told = overlay.read(overlay.path_of(world.artifacts / drill.FOLDER, "forge"))
    assert told == overlay.StandIn(world.path, "forge", "lifeboat")


def test_files_are_brought_back_to_a_place_of_their_own(world: World) -> None:
    assert drill.drill(world.path, "nas-homes") == 0
    assert "unpack 1a2b3c4d5e of store into lifeboat /srv/drill/nas-homes" in world.happened
    assert "compare nas-homes /srv/drill/nas-homes" in world.happened
    assert [step for step in world.happened if step.startswith("store:")] == []


def test_all_sources_are_drilled_in_turn_and_one_that_fails_stops_no_other(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.breaks_at, world.error = "bring back git", LabError("machine vault: the backup cannot be read")
    assert drill.drill(world.path) == 1
    found = {entry.source: entry.result for entry in evidence.read(world.artifacts)}
    assert found["git"] == "failed" and found["nas-homes"] == "proven"
    out = capsys.readouterr().out
    assert "git: NOT proven: machine vault: the backup cannot be read" in out
    assert out.splitlines()[-1] == f"./inv drill --site {world.path}"


@pytest.mark.parametrize("error", [LabError("no luck"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", ["build git", "bring back", "check git"])
def test_the_spare_machine_is_gone_however_a_drill_ends(world: World, at: str, error: BaseException) -> None:
    world.breaks_at, world.error = at, error
    assert drill.drill(world.path, "git") == (1 if isinstance(error, LabError) else 130)
    assert "lifeboat" not in world.exists
    assert world.happened[-1] == "remove lifeboat"


def test_an_interrupted_drill_is_no_evidence(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.breaks_at, world.error = "check", KeyboardInterrupt()
    drill.drill(world.path, "git")
    assert evidence.read(world.artifacts) == []
    assert capsys.readouterr().out.splitlines()[-1] == f"./inv drill git --site {world.path}"


def test_a_source_without_a_backup_is_not_proven(world: World) -> None:
    world.snapshot = ""
    assert drill.drill(world.path, "git") == 1
    (entry,) = evidence.read(world.artifacts)
    assert (entry.result, entry.snapshot) == ("failed", "")
    assert "there is no backup of it" in entry.problem


def test_an_unknown_source_is_refused_before_anything_is_done(world: World) -> None:
    with pytest.raises(InputError, match=r"source gitt: .*did you mean git\?"):
        drill.drill(world.path, "gitt")
    assert world.happened == []


def test_a_site_without_a_spare_machine_says_how_to_have_one(world: World) -> None:
    text = world.path.read_text().replace("groups: [spare]", "groups: [client]")
    world.path.write_text(text)
    with pytest.raises(InputError, match=r"fix: add one of group spare to `machines`: lifeboat: \{platform"):
        drill.drill(world.path)


DATASETS = [
    {"path": "/srv/homes", "owner": 36, "group": 36, "mode": "0770"},
    {"path": "/srv/other", "owner": 0, "group": 0, "mode": "2775"},
]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (("/srv/homes",), {"/srv/homes": "36:36 770"}),
        (("/srv/other",), {"/srv/other": "0:0 2775"}),
        (("/srv/unknown",), {"/srv/unknown": ""}),
    ],
)
def test_what_comes_back_belongs_to_whom_the_site_says(paths: Any, expected: Any) -> None:
    assert drill.owners(sources.Source("nas-homes", "store", paths), {"nas_datasets": DATASETS}) == expected

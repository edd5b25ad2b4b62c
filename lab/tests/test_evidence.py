import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab import evidence

PROVEN = evidence.Evidence(
    "git", "forge", "drill", "service", "1a2b", "2026-11-21T15:00:00+00:00", "2026-11-21T16:00:00+00:00", 41.5, 3600.0, 12, 2, "proven"
)
FAILED = replace(PROVEN, result="failed", problem="the pack is broken; fix: mend it\nand more", started="2026-11-21T17:00:00+00:00")


@pytest.mark.parametrize(
    ("taken", "started", "seconds"),
    [
        ("2026-11-21T15:00:00+00:00", "2026-11-21T16:00:00+00:00", 3600),
        ("2026-11-21T16:00:00+01:00", "2026-11-21T16:00:00+00:00", 3600),
        ("2026-11-21T15:59:59.123456789Z", "2026-11-21T16:00:00+00:00", 0.9),
        ("2026-11-21T16:00:03+00:00", "2026-11-21T16:00:00+00:00", 0),
    ],
)
def test_the_rpo_is_the_age_of_the_backup_when_the_restore_began(taken: str, started: str, seconds: float) -> None:
    assert evidence.rpo(taken, started) == seconds


@pytest.mark.parametrize(("seconds", "text"), [(4.25, "4.2 s"), (90, "1 min 30 s"), (3660, "1 h 1 min"), (180000, "2 d 2 h")])
def test_times_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert evidence.span(seconds) == text


def test_what_is_added_is_read_again_and_only_its_owner_may(tmp_path: Path) -> None:
    evidence.add(tmp_path, PROVEN)
    evidence.add(tmp_path, FAILED)
    assert evidence.read(tmp_path) == [PROVEN, FAILED]
    assert stat.S_IMODE((tmp_path / evidence.FILE).stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [evidence.FILE]


def test_of_each_source_the_latest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "KEPT", 2)
    for passed in (1, 2, 3):
        evidence.add(tmp_path, replace(PROVEN, passed=passed))
    evidence.add(tmp_path, replace(PROVEN, source="nas-homes"))
    assert [(entry.source, entry.passed) for entry in evidence.read(tmp_path)] == [("git", 2), ("git", 3), ("nas-homes", 12)]


@pytest.mark.parametrize("text", ["", "[]", '{"version": 9}', '{"version": 1, "restores": [{"source": "git"}]}'])
def test_a_broken_file_proves_nothing_and_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / evidence.FILE).write_text(text)
    said: list[str] = []
    assert evidence.read(tmp_path, said.append) == []
    assert "so no restore counts as proven; fix: ./inv drill" in said[0]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], ("never restored, so nothing is proven: ./inv drill git",)),
        ([PROVEN], ("restore proven ", "by a drill (RTO 42 s, RPO 1 h 0 min, 12 checks)")),
        ([PROVEN, FAILED], ("last drill FAILED ", "(the pack is broken); restore proven ")),
        ([FAILED], ("last drill FAILED ",)),
        ([FAILED, PROVEN], ("restore proven ",)),
    ],
)
def test_status_says_the_last_proof_and_a_failure_since(entries: Any, expected: Any) -> None:
    text = evidence.words(entries, "git", "./inv drill git")
    for part in expected:
        assert part in text, text
    assert ("FAILED" in text) == any("FAILED" in part for part in expected)

"""The programs of roles backup_client and backup_server: what they make of what restic and ssh say."""

import importlib.util
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lab.stages import ROOT

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
REFUSED = "rclone: ssh: connect to host 10.0.0.2 port 22: Connection refused\n"
EXIT = '{"message_type":"exit_error","code":1,"message":"Fatal: unable to open repository at rclone:: error talking HTTP to rclone"}\n'


def program(role: str, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "roles" / role / "files" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


client = program("backup_client", "backup_source")
server = program("backup_server", "backup_server")


@pytest.mark.parametrize(
    ("code", "said", "expected"),
    [
        (1, REFUSED + EXIT, "vault does not answer; fix: see that it runs"),
        (1, "rclone: ssh: Could not resolve hostname vault: Name or service not known\n" + EXIT, "vault does not answer; fix: "),
        (1, "rclone: backup@10.0.0.2: Permission denied (publickey).\n" + EXIT, "vault does not know the key of this machine"),
        (1, "rclone: Permission denied (publickey).\nrclone: Host key verification failed.\n", "vault does not have the host key it had"),
        (
            1,
            "rclone: ERROR : data/ab: Post request rcat error: file too big for remaining disk space\nerror (403)",
            "the disk of vault is full",
        ),
        (1, "rclone: write: no space left on device", "the disk of vault is full; fix: make room"),
        (1, "unexpected HTTP response (403): 403 Forbidden", "vault refuses to change what it has"),
        (10, EXIT, "vault has no repository for this machine; fix: ./inv up"),
        (11, "", "the repository on vault is locked"),
        (12, "Fatal: wrong password", "the repository on vault was made with another password; fix: "),
        (
            1,
            '{"message_type":"exit_error","code":1,"message":"Fatal: no more\\nthan this"}',
            "restic ended with code 1: Fatal: no more; fix: ",
        ),
        (2, "", "restic ended with code 2: nothing was said; fix: "),
    ],
)
def test_a_failure_is_one_line_with_cause_and_fix(code: int, said: str, expected: str) -> None:
    line = client.explain(code, said, "vault")
    assert expected in line and "; fix: " in line and "\n" not in line and "{" not in line


def test_a_file_that_went_away_meanwhile_is_no_error_and_one_that_cannot_be_read_is() -> None:
    def error(item: str, message: str) -> str:
        return json.dumps({"message_type": "error", "error": {"message": message}, "during": "archival", "item": item})

    said = [error("/a", "lstat /a: no such file or directory"), error("/b", "read /b: input/output error"), "not JSON", "{broken"]
    assert client.unreadable("\n".join(said)) == ["/b"]


def test_patterns_are_filled_in_and_a_path_without_anything_is_an_error(tmp_path: Path) -> None:
    for name in ("key_b", "key_a", "other"):
        (tmp_path / name).touch()
    assert client.paths_of({"paths": [f"{tmp_path}/key_*"]}) == [f"{tmp_path}/key_a", f"{tmp_path}/key_b"]
    with pytest.raises(client.Trouble, match="nothing does not exist on this machine; fix: "):
        client.paths_of({"paths": [f"{tmp_path}/other", f"{tmp_path}/nothing"]})


@pytest.mark.parametrize(
    ("tracking", "newest", "expected"),
    [
        ("", None, ""),
        ("C0A80001,192.168.0.1,3,1700000000.1,0.000012,0.1,0.1,Normal", NOW, ""),
        ("C0A80001,192.168.0.1,3,1700000000.1,-7200.5,0.1,0.1,Normal", None, "the clock of this machine is 7200 seconds wrong"),
        ("506 Cannot talk to daemon", None, ""),
        ("", NOW + timedelta(seconds=200), ""),
        ("", NOW + timedelta(hours=2), "from 2026-05-04 14:00 UTC, which this machine's clock takes for the future; fix: "),
    ],
)
def test_a_wrong_clock_is_noticed(tracking: str, newest: datetime | None, expected: str) -> None:
    said = client.clock_trouble(tracking, newest, NOW)
    assert expected in said if expected else said == ""


def test_a_command_before_the_copy_that_fails_says_its_last_words() -> None:
    client.before({"before": [["true"], ["sh", "-c", "exit 0"]]})
    with pytest.raises(client.Trouble, match="`sh` ended with code 3: no database; fix: run `sh -c"):
        client.before({"before": [["sh", "-c", "echo no database >&2; exit 3"]]})


def snapshot(name: str, age: timedelta, source: str = "git", late: timedelta = timedelta(0), **more: Any) -> dict[str, Any]:
    """As restic lists it, with the time it arrived; `late` is how much later than it claims."""
    began = NOW - age
    times = {"backup_start": began.isoformat(), "backup_end": (began + timedelta(minutes=20)).isoformat(), "total_bytes_processed": 7}
    arrived = began + timedelta(minutes=20) + late
    return {"id": name * 8, "time": began.isoformat(), "tags": [source], "summary": times, "arrived": arrived} | more


def judged(listed: list[dict[str, Any]], known: dict[str, str] | None = None, limit: int = 26 * 3600) -> dict[str, Any]:
    found: dict[str, Any] = server.row("forge", "git", listed, known or {}, limit, NOW)
    return found


def test_the_newest_snapshot_of_a_source_counts() -> None:
    found = judged([snapshot("old", timedelta(days=2)), snapshot("new", timedelta(hours=3)), snapshot("dns", timedelta(hours=1), "dns")])
    assert found == {
        "machine": "forge",
        "source": "git",
        "snapshot": "new" * 8,
        "time": "2026-05-04T09:00:00Z",
        "age_seconds": 10800,
        "size_bytes": 7,
        "problems": [],
    }


def test_a_source_without_a_fresh_snapshot_is_a_problem_with_a_fix() -> None:
    assert "the newest snapshot of git is 48 hours old, more than 26; fix: " in judged([snapshot("old", timedelta(days=2))])["problems"][0]
    missing = judged([snapshot("dns", timedelta(hours=1), "dns")])
    assert missing["snapshot"] is None and "there is no snapshot of git; fix: " in missing["problems"][0]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (snapshot("bad", timedelta(hours=-2), late=timedelta(hours=-2, minutes=-20)), "so it is from the future"),
        (snapshot("bad", timedelta(days=30), late=timedelta(days=30)), "claims 2026-04-04 12:00 and arrived at"),
        (snapshot("bad", timedelta(hours=1), time="2020-01-01T00:00:00Z"), "claims 2020-01-01 00:00 and arrived at"),
        (snapshot("bad", timedelta(days=3), summary=None, late=timedelta(days=3)), "claims 2026-05-01 12:00 and arrived at"),
    ],
)
def test_a_snapshot_with_a_wrong_time_is_named_and_proves_nothing(wrong: dict[str, Any], said: str) -> None:
    found = judged([snapshot("good", timedelta(hours=5)), wrong])
    assert found["snapshot"] == "good" * 8
    assert len(found["problems"]) == 1
    assert (
        said in found["problems"][0] and "the clock of forge is or was wrong" in found["problems"][0] and "; fix: " in found["problems"][0]
    )
    assert server.trusted([wrong]) == {}


def test_an_old_restic_that_does_not_tell_when_a_copy_ended_is_believed_for_a_day() -> None:
    assert judged([snapshot("new", timedelta(hours=9), summary=None, late=timedelta(hours=8))])["problems"] == []


def test_a_snapshot_that_vanished_is_named() -> None:
    kept = snapshot("kept", timedelta(hours=5))
    found = judged([kept], {kept["id"]: "git", "gone" * 8: "git", "other" * 8: "dns"})
    assert len(found["problems"]) == 1 and "1 snapshots of forge vanished (gonegone); fix: " in found["problems"][0]


class Played:
    """A repository as restic shows it; `refuses` keeps what it was told to remove, and reports success."""

    def __init__(self, listed: list[dict[str, Any]], remove: list[str], refuses: bool = False) -> None:
        self.listed, self.remove, self.refuses, self.done = listed, remove, refuses, list[str]()

    def restic(self, machine: str, *words: str) -> str:
        self.done.append(words[0])
        if words[0] == "forget":
            if not self.refuses:
                self.listed = [one for one in self.listed if one["id"] not in self.remove]
            return json.dumps([{"tags": ["git"], "remove": [{"id": name} for name in self.remove] or None}])
        return ""


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "forge" / "locks").mkdir(parents=True)
    monkeypatch.setattr(server, "REPOSITORIES", tmp_path)
    monkeypatch.setattr(server, "STATE", tmp_path)

    def played(repository: Played) -> Played:
        monkeypatch.setattr(server, "restic", repository.restic)
        monkeypatch.setattr(server, "snapshots", lambda machine: repository.listed)
        return repository

    return played


SETTINGS = {"sources": [{"machine": "forge", "source": "git"}], "keep": {"daily": 1, "weekly": 0}}


def test_pruning_removes_what_need_not_be_kept_and_remembers_the_rest(play: Any) -> None:
    old, new = snapshot("old", timedelta(days=2)), snapshot("new", timedelta(hours=2))
    repository = play(Played([old, new], [old["id"]]))
    assert server.prune("forge", SETTINGS) == 1
    assert repository.done == ["forget", "prune"]
    assert server.remembered("known", "forge") == {new["id"]: "git"}


def test_a_refused_removal_is_noticed_though_restic_reports_success(play: Any) -> None:
    old = snapshot("old", timedelta(days=2))
    play(Played([old], [old["id"]], refuses=True))
    with pytest.raises(server.Trouble, match="1 snapshots were to go and are still there; fix: "):
        server.prune("forge", SETTINGS)


def test_pruning_touches_nothing_where_a_snapshot_vanished_or_has_a_wrong_time(play: Any) -> None:
    repository = play(Played([snapshot("bad", timedelta(days=30), late=timedelta(days=30))], []))
    server.remember("known", "forge", {"gone" * 8: "git"})
    with pytest.raises(server.Trouble, match=r"nothing was removed: 1 snapshots of forge vanished .* snapshot badbadba claims"):
        server.prune("forge", SETTINGS)
    assert repository.done == []


@pytest.mark.parametrize(
    ("said", "complained", "expected"),
    [
        (
            '{"message_type":"summary","num_errors":2,"broken_packs":["abcdef0123456789"]}',
            "",
            "what is stored is damaged: packs abcdef01; fix: ",
        ),
        ('{"message_type":"summary","num_errors":2,"broken_packs":null}', "", "what is stored is damaged: 2 errors; fix: "),
        ("", "Fatal: wrong password or no key found", "the repository was made with another password; fix: "),
        ("", "read data: no space left on device", "the disk of the backup server is full; fix: "),
    ],
)
def test_what_verifying_found_is_one_line(said: str, complained: str, expected: str) -> None:
    assert expected in server.damage(said, complained)

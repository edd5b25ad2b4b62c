import json
import re
from pathlib import Path
from typing import Any

import pytest

from lab import checks, events, explain, signatures

LOGS = Path(__file__).parent / "logs"


def failed(host: Any = "web", kind: Any = "failed", **result: Any) -> Any:
    return {
        "event": kind,
        "host": host,
        "task": "router : Install",
        "role": "router",
        "path": "roles/router/tasks/main.yml:3",
        "result": result,
    }


@pytest.mark.parametrize("signature", signatures.SIGNATURES, ids=lambda signature: signature.name)
def test_each_known_failure_is_recognised_in_its_log(signature: Any) -> None:
    log = LOGS / f"{signature.name}.log"
    found = signatures.match(log.read_text())
    assert found and found.name == signature.name


@pytest.mark.parametrize("log", sorted(LOGS.glob("*.log")), ids=lambda log: log.stem)
def test_each_log_is_explained_as_an_event_too(log: Any) -> None:
    line = next(line for line in log.read_text().splitlines() if "=>" in line)
    host = re.findall(r"\[([\w-]+)", line)[0]
    result = json.loads(line.partition("=> ")[2])
    kind = "unreachable" if result.get("unreachable") else "failed"
    failure = explain.playbook_failure("network", [failed(host, kind, **result)], log, 2)
    signature = next(signature for signature in signatures.SIGNATURES if signature.name == log.stem)
    assert (failure.cause, failure.machine) == (signature.cause, host)
    assert failure.fix == signature.fix.format(machine=host)


def test_there_is_a_log_for_each_signature_and_no_other() -> None:
    assert {log.stem for log in LOGS.glob("*.log")} == {signature.name for signature in signatures.SIGNATURES}


def test_the_first_cause_is_shown_and_not_its_fallout(tmp_path: Path) -> None:
    later = failed("disk", msg="cannot find gate")
    failure = explain.playbook_failure("network", [failed("gate", msg="No space left on device"), later], tmp_path / "log", 2)
    assert (failure.machine, failure.others) == ("gate", "also failed on disk")


def test_ignored_and_rescued_failures_are_no_cause() -> None:
    ignored = failed(msg="one") | {"ignored": True}
    found = [ignored, failed(msg="two"), failed(msg="three"), {"event": "stats", "hosts": {"web": {"rescued": 1, "failures": 1}}}]
    first = events.first_failure(found)
    assert first and first["result"]["msg"] == "three"


def test_the_screen_has_every_fact_on_a_line(tmp_path: Path) -> None:
    screen = str(explain.playbook_failure("network", [failed(msg="E: broken\nsecond line", rc=100)], tmp_path / "network.log", 2))
    assert screen.splitlines() == [
        "stage network failed",
        "  task     router : Install",
        "  machine  web",
        "  file     roles/router/tasks/main.yml:3",
        "  cause    E: broken",
        "  evidence second line",
        "           exit code 100",
        f"  log      {tmp_path}/network.log",
    ]


def test_newlines_within_json_are_lines_of_evidence(tmp_path: Path) -> None:
    failure = explain.playbook_failure("network", [failed(msg="one\\ntwo\nthree")], tmp_path / "log", 2)
    assert failure.evidence == ("one", "two", "three")


def test_evidence_is_short_and_keeps_its_first_and_last_lines(tmp_path: Path) -> None:
    failure = explain.playbook_failure("network", [failed(msg="first", stderr="\n".join(map(str, range(100))))], tmp_path / "log", 2)
    assert len(failure.evidence) == explain.EVIDENCE_LINES
    assert (failure.evidence[0], failure.evidence[-1]) == ("first", "99")


def test_a_hidden_result_says_that_it_is_hidden(tmp_path: Path) -> None:
    failure = explain.playbook_failure("network", [failed(censored="the output has been hidden")], tmp_path / "log", 2)
    assert "no_log" in failure.evidence[0]


def test_a_playbook_that_never_began_is_explained_by_its_log(tmp_path: Path) -> None:
    log = tmp_path / "network.log"
    log.write_text("[ERROR]: the role 'rooter' was not found\n")
    failure = explain.playbook_failure("network", [], log, 4)
    assert failure.cause == "ansible-playbook ended with code 4 and no failed task"
    assert failure.evidence == ("[ERROR]: the role 'rooter' was not found",)


def test_secrets_never_reach_the_screen(tmp_path: Path) -> None:
    failure = explain.playbook_failure("network", [failed(msg="login with hunter2-long or hunter2 failed")], tmp_path / "log", 2)
    shown = str(explain.StageFailed(failure, ["hunter2", "hunter2-long", ""]))
    assert "hunter2" not in shown
    assert "login with (secret) or (secret) failed" in shown


def test_failed_checks_are_shown_as_sentences(tmp_path: Path) -> None:
    bad = (
        checks.Failed("a client gets its name (web)", "molecule/router/test_router.py", ("assert 'x' == 'y'",)),
        checks.Failed("ntp works", "f", ()),
    )
    screen = str(explain.check_failure("network", checks.Report(3, bad, 0, tmp_path / "log")))
    assert "check: a client gets its name (web)" in screen
    assert "2 of 5 checks failed" in screen
    assert "also     ntp works" in screen


def checked(folder: Path, *bad: checks.Failed) -> Any:
    return explain.check_failure("network", checks.Report(1, bad, 0, folder / "log"))


def test_of_many_failed_checks_a_few_are_named(tmp_path: Path) -> None:
    failure = checked(tmp_path, *(checks.Failed(f"check {n}", "f", ("assert False",)) for n in range(28)))
    assert failure.others == "check 1; check 2; check 3; and 24 more"
    assert "28 of 29 checks failed" in failure.cause


@pytest.mark.parametrize(
    "line", ["AttributeError: 'str' object has no attribute 'x'", "ModuleNotFoundError: no", "fixture 'labb' not found"]
)
def test_a_python_error_in_a_check_is_called_a_bug_of_the_check(tmp_path: Path, line: str) -> None:
    fix = checked(tmp_path, checks.Failed("a", "molecule/router/test_router.py", (line,))).fix
    assert fix.startswith("this is a bug in the check itself") and fix.endswith("mend molecule/router/test_router.py")


def test_a_failed_assertion_is_no_bug_of_the_check(tmp_path: Path) -> None:
    assert not checked(tmp_path, checks.Failed("a", "f", ("AssertionError: TypeError on the machine",))).fix


def test_evidence_that_is_the_cause_is_shown_once(tmp_path: Path) -> None:
    screen = str(explain.playbook_failure("network", [failed(msg="E: broken")], tmp_path / "log", 2))
    assert screen.count("E: broken") == 1
    assert "  evidence" not in screen

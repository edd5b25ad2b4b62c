import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lab import ledger, lock, run, sandbox, stages
from lab.errors import InputError, LabError
from lab.tests.project import BAD_CHECK, Project

pytestmark = pytest.mark.skipif(
    not shutil.which("ansible-playbook", path=str(Path(sys.executable).parent)), reason="needs ansible-core beside Python"
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("ANSIBLE_ROLES_PATH", str(tmp_path / "roles"))
    monkeypatch.setenv("ANSIBLE_LOCALHOST_WARNING", "false")
    return Project(tmp_path)


@pytest.fixture
def up(project: Project, monkeypatch: pytest.MonkeyPatch) -> Any:
    def call(*chosen: Any, **options: Any) -> Any:
        monkeypatch.setattr(stages, "select", lambda *_, **__: stages.order(chosen))
        return run.up(project.site, **options)

    return call


def entries(project: Project) -> Any:
    return ledger.Ledger(project.artifacts / "ledger.json").entries


def test_up_builds_then_only_checks_then_builds_what_changed(project: Project, up: Any, capsys: pytest.CaptureFixture[str]) -> None:
    stage = project.stage("one")
    assert up(stage) == 0
    assert project.ran == ["one"]
    assert "one: up: built, 1 checks passed" in capsys.readouterr().out
    assert up(stage) == 0
    assert project.ran == ["one"]
    assert "one: up: unchanged, 1 checks passed" in capsys.readouterr().out
    with (project.root / "roles/one/tasks/main.yml").open("a") as role:
        role.write("- name: More\n  ansible.builtin.debug: {msg: more}\n")
    assert up(stage) == 0
    assert project.ran == ["one", "one"]
    assert "because roles/one/tasks/main.yml changed" in capsys.readouterr().out


def test_force_builds_what_did_not_change(project: Project, up: Any) -> None:
    stage = project.stage("one")
    up(stage)
    up(stage, force=True)
    assert project.ran == ["one", "one"]


def test_a_check_that_fails_on_an_unchanged_stage_has_it_built_again(project: Project, up: Any, capsys: pytest.CaptureFixture[str]) -> None:
    marker = project.root / "marker"
    check = f"import pathlib\ndef test_the_marker_is_there():\n    assert pathlib.Path({str(marker)!r}).exists()\n"
    stage = project.stage("one", command=f"touch {marker}", check=check)
    assert up(stage) == 0
    marker.unlink()
    assert up(stage) == 0
    assert project.ran == ["one", "one"]
    assert "nothing changed, but a check fails: the marker is there" in capsys.readouterr().out


def test_a_failed_branch_blocks_its_dependants_only(project: Project, up: Any, capsys: pytest.CaptureFixture[str]) -> None:
    broken = "echo no luck >&2; exit 3"
    diamond = (
        project.stage("base"),
        project.stage("left", "base", command=broken),
        project.stage("right", "base"),
        project.stage("top", "left", "right"),
    )
    assert up(*diamond) == 1
    assert sorted(project.ran) == ["base", "left", "right"]
    out = capsys.readouterr().out
    assert "top: blocked by left" in out
    assert "2 of 4 stages up" in out
    for fact in (
        "stage left failed",
        "task     left : Do the work",
        "machine  localhost",
        "no luck",
        "logs/left.log",
        "roles/left/tasks/main.yml",
    ):
        assert fact in out
    assert out.splitlines()[-1] == f"./inv up --site {project.site}"
    assert entries(project)["left"].is_finished is False
    assert entries(project)["right"].is_finished is True


def test_checks_decide_and_not_the_playbook(project: Project, up: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert up(project.stage("one", check=BAD_CHECK)) == 1
    assert "check: it is there" in capsys.readouterr().out
    assert not entries(project)["one"].is_finished


def test_the_resume_command_has_the_same_choice_but_no_force(project: Project) -> None:
    options = run.Options(project.site, to="network", from_="network", force=True, fail_fast=True)
    assert options.resume_command() == f"./inv up --site {project.site} --to network --from network --fail-fast"


def test_a_site_below_inventories_is_named_by_its_folder() -> None:
    assert run.name_of(stages.ROOT / "inventories" / "rehearsal" / "site.yml") == "rehearsal"


def test_a_stage_alone_needs_what_it_builds_on(project: Project, up: Any) -> None:
    project.stage("base")
    with pytest.raises(LabError, match=r"stage top: needs base, which is not up; fix: .*--to top builds both"):
        up(project.stage("top", "base"))


def test_a_secret_never_reaches_screen_or_ledger(project: Project, up: Any, capsys: pytest.CaptureFixture[str]) -> None:
    text = project.site.read_text() + "users: [{name: operator, password: {secret: operator_password}}]\n"
    project.site.write_text(text)
    secret = project.site.parent / "secrets.yml"
    secret.write_text('operator_password: "correct horse battery"\n')
    secret.chmod(0o600)
    assert up(project.stage("one", command="echo correct horse battery >&2; exit 1")) == 1
    out = capsys.readouterr().out
    assert "correct horse battery" not in out + (project.artifacts / "ledger.json").read_text()
    assert "(secret)" in out


def test_an_unknown_stage_changes_nothing(project: Project) -> None:
    before = project.files()
    with pytest.raises(InputError):
        run.up(project.site, to="netwrok")
    assert project.files() == before


def test_verify_runs_checks_and_no_playbook(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = project.stage("one")
    monkeypatch.setattr(stages, "select", lambda *_, **__: (stage,))
    assert run.verify(project.site) == 0
    assert project.ran == []


DISRUPTIVE = "import pytest\n@pytest.mark.disruptive\ndef test_a_reboot():\n    pass\ndef test_it():\n    pass\n"


def test_up_leaves_disruptive_checks_out_and_says_how_to_run_them(project: Project, up: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert up(project.stage("one", check=DISRUPTIVE)) == 0
    out = capsys.readouterr().out
    assert "1 checks passed; 1 disruptive ones left out" in out
    assert f"to run them: ./inv verify --site {project.site} --disruptive" in out


@pytest.mark.parametrize(("disruptive", "passed"), [(False, 1), (True, 2)])
def test_verify_runs_disruptive_checks_on_request(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], disruptive: Any, passed: Any
) -> None:
    stage = project.stage("one", check=DISRUPTIVE)
    monkeypatch.setattr(stages, "select", lambda *_, **__: (stage,))
    assert run.verify(project.site, disruptive=disruptive) == 0
    out = capsys.readouterr().out
    assert f"{passed} checks passed" in out
    assert ("left out" in out) is not disruptive


METAL = stages.ROOT / "inventories/production/site.yml"


def test_disruptive_checks_on_real_machines_are_not_run_where_nobody_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    with pytest.raises(InputError, match="add --yes if you mean it"):
        run.verify(METAL, disruptive=True)


def test_disruptive_checks_on_real_machines_need_the_name_of_the_site(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    assert run.verify(METAL, disruptive=True, ask=lambda _: "no") == 1
    assert "nothing was checked" in capsys.readouterr().out


@pytest.mark.parametrize("check", ["def test_it():\n    pass\n", BAD_CHECK])
def test_what_a_run_made_is_handed_back_to_the_user_however_it_ended(
    project: Project, up: Any, monkeypatch: pytest.MonkeyPatch, check: Any
) -> None:
    given: list[Path] = []
    monkeypatch.setattr(sandbox, "give_back", given.append)
    up(project.stage("one", check=check))
    assert given == [project.site.parent]


PROGRAM = """
import sys
from pathlib import Path
from lab import run, stages
stage = stages.Stage("slow", "", (), Path(sys.argv[1]))
stages.select = lambda *_, **__: (stage,)
sys.exit(run.up(Path(sys.argv[2])))
"""


@pytest.fixture
def slow_run(project: Project) -> Any:
    project.stage("slow", command=f"test -e {project.root}/fast || sleep 300")
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(project.root), str(project.site)], stdout=subprocess.PIPE, text=True
    ) as process:
        limit = time.monotonic() + 60
        while project.ran != ["slow"]:
            assert process.poll() is None and time.monotonic() < limit
            time.sleep(0.1)
        yield process
        process.kill()
        process.wait()
    lock.end_leftovers(project.artifacts, print)  # its playbook, which would sleep on for minutes


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_ends_the_children_and_says_how_to_go_on(project: Project, slow_run: Any, sent: Any) -> None:
    slow_run.send_signal(sent)
    out, _ = slow_run.communicate(timeout=60)
    assert slow_run.returncode == 130
    assert out.splitlines()[-1] == f"./inv up --site {project.site}"
    assert lock.marked(project.artifacts) == set()
    assert entries(project)["slow"].is_finished is False


def test_a_run_killed_half_way_is_continued_by_the_same_command(project: Project, slow_run: Any, up: Any) -> None:
    slow_run.kill()
    slow_run.wait()
    assert entries(project)["slow"].is_finished is False
    (project.root / "fast").touch()
    assert up(stages.Stage("slow", "", (), project.root)) == 0
    assert lock.leftovers(project.artifacts) == set()
    assert entries(project)["slow"].is_finished is True


def test_a_second_run_at_the_same_time_is_refused(project: Project, slow_run: Any, up: Any) -> None:
    with pytest.raises(LabError, match=f"process {slow_run.pid}"):
        up(stages.Stage("slow", "", (), project.root))


def test_events_of_a_playbook_are_json_lines(project: Project, up: Any) -> None:
    up(project.stage("one"))
    lines = [json.loads(line) for line in (project.artifacts / "logs/one.events").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["play", "task", "start", "ok", "task", "start", "ok", "stats"]
    assert (project.artifacts / "logs/one.log").read_text().count("TASK [") == 2

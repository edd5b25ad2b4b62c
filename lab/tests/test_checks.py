from pathlib import Path
from typing import Any

import pytest

from lab import checks, child
from lab.tests.project import BAD_CHECK, GOOD_CHECK, Project

SKIPPED = "import pytest\n@pytest.mark.skip\ndef test_it():\n    pass\n"


def run(tmp_path: Path, check: Any) -> Any:
    project = Project(tmp_path)
    return checks.run(project.stage("one", check=check), project.site, project.artifacts / "logs", child.Children())


def test_checks_that_pass_are_good(tmp_path: Path) -> None:
    report = run(tmp_path, GOOD_CHECK)
    assert report.is_good
    assert (report.passed, report.skipped) == (1, 0)


def test_a_failed_check_is_a_sentence_with_evidence(tmp_path: Path) -> None:
    report = run(tmp_path, BAD_CHECK)
    assert not report.is_good
    assert report.failed[0].sentence == "it is there"
    assert any("'absent' == 'present'" in line for line in report.failed[0].evidence)
    assert "it_is_there" in report.log.read_text()


@pytest.mark.parametrize(
    ("check", "problem"),
    [
        ("", "no check was found, so nothing is proven"),
        (SKIPPED, "all 1 checks were skipped, so nothing is proven"),
    ],
)
def test_checks_that_prove_nothing_are_a_failure(tmp_path: Path, check: Any, problem: Any) -> None:
    report = run(tmp_path, check)
    assert not report.is_good
    assert report.problem == problem


def test_a_check_file_that_is_broken_is_a_failure(tmp_path: Path) -> None:
    assert not run(tmp_path, "def (").is_good


def test_a_stage_without_check_files_is_a_failure(tmp_path: Path) -> None:
    project = Project(tmp_path)
    stage = project.stage("one")
    (tmp_path / "molecule/one/test_one.py").unlink()
    assert "no role of one.yml has a check file" in checks.run(stage, project.site, project.artifacts / "logs", child.Children()).problem


def test_checks_are_told_which_site_is_meant(tmp_path: Path) -> None:
    check = "import os\ndef test_site():\n    assert os.environ['STRATA_INVENTORY'].endswith('small/site.yml')\n"
    assert run(tmp_path, check).is_good


def test_a_pytest_that_dies_is_a_failure(tmp_path: Path) -> None:
    report = run(tmp_path, "import os\ndef test_it():\n    os._exit(7)\n")
    assert report.problem == "pytest ended with code 7 before it wrote a report"


@pytest.mark.parametrize(("name", "words"), [("test_a_b", "a b"), ("test_a_b[web-22]", "a b (web-22)"), ("plain", "plain")])
def test_names_become_sentences(name: Any, words: Any) -> None:
    assert checks.sentence(name) == words


DISRUPTIVE = "import pytest\n@pytest.mark.disruptive\ndef test_a_reboot():\n    pass\n"


@pytest.mark.parametrize(("is_disruptive", "passed", "left_out"), [(False, 1, 1), (True, 2, 0)])
def test_disruptive_checks_run_on_request_only_and_are_counted(tmp_path: Path, is_disruptive: Any, passed: Any, left_out: Any) -> None:
    project = Project(tmp_path)
    stage = project.stage("one", check=DISRUPTIVE + GOOD_CHECK)
    report = checks.run(stage, project.site, project.artifacts / "logs", child.Children(), is_disruptive)
    assert report.is_good
    assert (report.passed, report.left_out) == (passed, left_out)


LIVE = "import pytest\n@pytest.mark.live\ndef test_the_name_leads_here():\n    pass\n"


@pytest.mark.parametrize(("is_drill", "passed", "left_out"), [(True, 1, 2), (False, 2, 1)])
def test_a_drill_leaves_out_what_only_the_real_machine_can_pass(tmp_path: Path, is_drill: Any, passed: Any, left_out: Any) -> None:
    project = Project(tmp_path)
    stage = project.stage("one", check=LIVE + DISRUPTIVE + GOOD_CHECK)
    report = checks.run(stage, project.site, project.artifacts / "logs", child.Children(), is_drill=is_drill)
    assert (report.passed, report.left_out) == (passed, left_out)


def test_a_stage_whose_checks_were_all_left_out_is_not_proven_and_not_called_skipped(tmp_path: Path) -> None:
    report = run(tmp_path, DISRUPTIVE)
    assert not report.is_good
    assert report.problem.startswith("all 1 checks are disruptive and were left out")


def test_the_project_has_its_options_and_still_says_what_was_left_out(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\naddopts = "-qq"\n')
    assert run(tmp_path, DISRUPTIVE + GOOD_CHECK).left_out == 1


def test_a_broken_check_file_is_named(tmp_path: Path) -> None:
    assert run(tmp_path, "import nothing_of_that_name").failed[0].file.endswith("test_one.py")


@pytest.mark.parametrize(("stage", "absent"), [("network", {"tenant"}), ("nas", {"tenant"}), ("ovirt", set()), ("git", set())])
def test_machines_on_ovirt_are_left_out_of_checks_until_their_stage(stage: str, absent: set[str]) -> None:
    inventory = {"platform_ovirt": {"hosts": ["tenant"]}, "client": {"hosts": ["admin", "tenant"]}}
    assert checks.later(Path(f"playbooks/{stage}.yml"), inventory) == absent

"""Runs the checks of a stage against its live site. Checks decide whether a stage is up."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import child, lock, playbook, stages
from lab.stages import ROOT, Stage, roles_of

EVIDENCE_LINES = 6
DISRUPTIVE = "disruptive"  # the mark of checks that disturb a live site
LIVE = "live"  # the mark of checks that a machine's name leads to it: not so where another plays it, in a drill
ON_OVIRT = "ovirt"  # the stage and the platform
PLUGINS = ("testinfra.plugin", "pytest_timeout")  # what checks use; those of unit tests cost more than most checks
LEFT_OUT = re.compile(r"(\d+) deselected")


@dataclass(frozen=True)
class Failed:
    """A check that did not pass."""

    sentence: str
    file: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """What the checks of one stage said; `problem` is why they prove nothing, where they do not."""

    passed: int
    failed: tuple[Failed, ...]
    skipped: int
    log: Path
    problem: str = ""
    left_out: int = 0  # checks that were not asked for

    @property
    def is_good(self) -> bool:
        """Whether the stage is up."""
        return self.passed > 0 and not self.failed and not self.problem


def files_of(stage: Stage) -> list[Path]:
    """The check files of the roles a stage's playbook names."""
    found = [stage.root / "molecule" / role / f"test_{role}.py" for role in roles_of(stage)]
    return [file for file in found if file.is_file()]


def run(
    stage: Stage, inventory: Path, logs: Path, children: child.Children, is_disruptive: bool = False, *, is_drill: bool = False
) -> Report:
    """Runs the checks of a stage and reports; never raises because a check failed. Those that disturb a site run on request only.

    `inventory` is a site.yml, or in a drill the file that names the stand-in (lab/overlay.py). `logs` is a folder of the artifacts.
    """
    without = [*([] if is_disruptive else [DISRUPTIVE]), *([LIVE] if is_drill else [])]
    log, xml = logs / f"{stage.name}.checks.log", logs / f"{stage.name}.checks.xml"
    files = files_of(stage)
    if not files:
        return Report(0, (), 0, log, f"no role of {stage.playbook.name} has a check file molecule/<role>/test_<role>.py")
    logs.mkdir(parents=True, exist_ok=True)
    xml.unlink(missing_ok=True)
    # Options of the project are left out: a quieter pytest would not say how many checks it left out.
    argv = [sys.executable, "-m", "pytest", "-o", "addopts=", "--color=no", "--tb=short", "-p", "no:cacheprovider"]
    argv += [word for plugin in PLUGINS for word in ("-p", plugin)]
    argv += ["--rootdir", str(stage.root), "--durations=10", f"--junitxml={xml}"]
    argv += [*(["-m", " and ".join(f"not {mark}" for mark in without)] if without else []), *map(str, files)]
    env = child.environment(
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
        STRATA_INVENTORY=str(inventory),
        STRATA_PLAYBOOK=str(stage.playbook),
        ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"),
        **{lock.MARK: str(logs.parent)},
    )
    code = children.run(argv, env, log)
    return read(xml, log, code)


def later(playbook_path: Path, inventory: Mapping[str, Any]) -> set[str]:
    """Machines that do not stand yet when a stage is checked: those on oVirt come with their own stage."""
    return set() if ON_OVIRT in stages.needed(playbook_path.stem) else playbook.members(inventory, f"platform_{ON_OVIRT}")


def read(xml: Path, log: Path, code: int) -> Report:
    """The report in pytest's JUnit file. No tests, or none that ran, is a failure and not a pass."""
    if not xml.is_file():
        return Report(0, (), 0, log, f"pytest ended with code {code} before it wrote a report")
    try:
        cases = list(ET.parse(xml).getroot().iter("testcase"))  # noqa: S314 - our own file
    except ET.ParseError as error:
        return Report(0, (), 0, log, f"{xml}: is no report: {error}")
    left_out = _left_out(log)
    failed = tuple(_failed(case, bad) for case in cases if (bad := _outcome(case, "failure", "error")) is not None)
    skipped = sum(_outcome(case, "skipped") is not None for case in cases)
    passed = sum(_outcome(case, "failure", "error", "skipped") is None for case in cases)
    problem = ""
    if not cases and left_out:
        problem = f"all {left_out} checks are disruptive and were left out, so nothing is proven; fix: ./inv verify --disruptive"
    elif not cases:
        problem = "no check was found, so nothing is proven"
    elif not passed and not failed:
        problem = f"all {skipped} checks were skipped, so nothing is proven"
    elif code not in (0, 1):
        problem = f"pytest ended with code {code}"
    return Report(passed, failed, skipped, log, problem, left_out)


def sentence(name: str) -> str:
    """`test_a_client_gets_its_name[admin]` as words: `a client gets its name (admin)`."""
    words, _, parameters = name.removeprefix("test_").partition("[")
    return words.replace("_", " ") + (f" ({parameters.removesuffix(']')})" if parameters else "")


def _left_out(log: Path) -> int:
    """How many checks pytest left out; its JUnit file does not tell, its last words do."""
    found = LEFT_OUT.findall(log.read_text(encoding="utf-8", errors="replace")) if log.is_file() else []
    return int(found[-1]) if found else 0


def _outcome(case: ET.Element, *kinds: str) -> ET.Element | None:
    return next((child for child in case if child.tag in kinds), None)


def _failed(case: ET.Element, bad: ET.Element) -> Failed:
    text = bad.text or ""
    errors = [line[1:].strip() for line in text.splitlines() if re.match(r"E\s", line)]
    lines = errors or [line.strip() for line in (bad.get("message") or text).splitlines() if line.strip()]
    name = case.get("name") or ""
    file = (case.get("classname") or name).replace(".", "/") + ".py"
    return Failed(sentence(name), file, tuple(lines[:EVIDENCE_LINES]))

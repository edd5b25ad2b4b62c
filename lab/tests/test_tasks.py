import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab import find, run
from lab.errors import InputError
from lab.stages import ROOT, STAGES

ENV_LINES = 40  # a screen

# Imports once, and then is one process for each command line it reads, as each call of ./inv is.
PROBE = """
import json, os, sys
from invoke.main import program
from lab import drill, find, restore, run
from lab.kubernetes import carry
find.enter_sandbox = lambda path: None
run.up = lambda path, **options: print("up", path.parent.name, sorted((k, v) for k, v in options.items() if v))
run.verify = lambda path, stage, **options: print("verify", path.parent.name, stage, *sorted(k for k, v in options.items() if v))
drill.drill = lambda path, source: print("drill", path.parent.name, source)
restore.restore = lambda path, machine, **options: print("restore", path.parent.name, machine, *sorted(k for k, v in options.items() if v))
carry.carry = lambda path, target: print("mirror", path.parent.name, target)
for line in sys.stdin:
    words, files = json.loads(line)
    if child := os.fork():
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    for number, file in enumerate(["/dev/null", *files]):
        os.dup2(os.open(file, os.O_RDWR | os.O_CREAT), number)
    program.run(["inv", *words])
    sys.exit()
"""


@pytest.fixture(scope="module")
def probe() -> Any:
    with subprocess.Popen([sys.executable, "-c", PROBE], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def inv(probe: Any, tmp_path: Path) -> Any:
    def call(*words: str) -> Any:
        files = [tmp_path / name for name in ("stdout", "stderr")]
        probe.stdin.write(json.dumps([words, list(map(str, files))]) + "\n")
        probe.stdin.flush()
        code = int(probe.stdout.readline())
        return subprocess.CompletedProcess(words, code, *(file.read_text() for file in files))

    return call


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("up", "up rehearsal []"),
        ("up --site production --from network", "up production [('from_', 'network')]"),
        ("up --from network --site production --fail-fast", "up production [('fail_fast', True), ('from_', 'network')]"),
        ("up --site production --to network --force", "up production [('force', True), ('to', 'network')]"),
        ("stage.network --site production", "up production [('only', 'network')]"),
        ("verify", "verify rehearsal None"),
        ("verify network", "verify rehearsal network"),
        ("verify network --site production", "verify production network"),
        ("verify --site production network", "verify production network"),
        ("verify --site production --stage network", "verify production network"),
        ("verify --disruptive network --site production", "verify production network disruptive"),
        ("verify network --yes --disruptive", "verify rehearsal network disruptive yes"),
        ("verify -d -y network", "verify rehearsal network disruptive yes"),
        ("drill", "drill rehearsal None"),
        ("drill git", "drill rehearsal git"),
        ("drill --site production git", "drill production git"),
        ("drill git --site production", "drill production git"),
        ("restore forge", "restore rehearsal forge"),
        ("restore forge --yes --force --site production", "restore production forge force yes"),
        ("restore --site production --yes forge", "restore production forge yes"),
        ("mirror /srv/mirror", "mirror rehearsal /srv/mirror"),
        ("mirror --site production there", "mirror production there"),
    ],
)
def test_every_option_reaches_its_function(inv: Any, words: Any, expected: Any) -> None:
    result = inv(*words.split())
    assert (result.stdout.strip(), result.returncode) == (expected, 0), result.stderr


def test_a_wrong_site_is_one_line_and_exit_code_2(inv: Any) -> None:
    result = inv("up", "--site", "rehersal")
    assert result.returncode == 2
    assert result.stderr == "site rehersal: there is no inventories/rehersal/site.yml; fix: did you mean rehearsal?\n"


def test_the_list_of_verbs_fits_a_screen_and_names_every_stage(inv: Any) -> None:
    out = inv("--list").stdout
    assert len(out.splitlines()) < ENV_LINES
    assert all(len(line) <= 80 for line in out.splitlines())
    assert all(f"stage.{stage.name}" in out for stage in STAGES)


def test_no_verb_has_pre_tasks_for_they_lose_their_arguments() -> None:
    assert not re.search(r"\bpre\s*=", (ROOT / "tasks.py").read_text())


@pytest.mark.parametrize("name", ["small", "inventories/small", "inventories/small/site.yml"])
def test_a_site_is_found_by_name_folder_or_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: Any) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "inventories" / "small" / "site.yml"
    file.parent.mkdir(parents=True)
    file.touch()
    assert find.site(name, tmp_path) == file


def test_a_site_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="fix: write one"):
        find.site("none", tmp_path)


def test_the_words_of_a_resume_command_are_understood(inv: Any) -> None:
    options = run.Options(ROOT / "inventories/production/site.yml", from_="network", fail_fast=True)
    result = inv(*options.resume_command().split()[1:])
    assert result.stdout.strip() == "up production [('fail_fast', True), ('from_', 'network')]"

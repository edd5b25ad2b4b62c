import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lab import lock
from lab.errors import LabError

HOLDER = (
    "import sys, time, pathlib; from lab import lock\nwith lock.held(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
)


@pytest.fixture
def holder(tmp_path: Path) -> Any:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_run_is_refused_naming_the_first(tmp_path: Path, holder: Any) -> None:
    with (
        pytest.raises(LabError, match=rf"process {holder.pid}\); fix: wait until it ends, or end it with `kill -INT {holder.pid}`"),
        lock.held(tmp_path),
    ):
        pass


def test_the_lock_of_a_killed_run_is_free(tmp_path: Path, holder: Any) -> None:
    holder.kill()
    holder.wait()
    with lock.held(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    assert (tmp_path / "lock").read_text() == ""


def test_a_playbook_left_over_from_a_killed_run_is_ended_first(tmp_path: Path) -> None:
    script = tmp_path / "ansible-playbook"
    script.write_text("import time; time.sleep(60)")
    with subprocess.Popen([sys.executable, str(script)], env={**os.environ, lock.MARK: str(tmp_path)}, start_new_session=True) as left:
        said: list[str] = []

        def say(line: str) -> None:
            said.append(line)
            os.kill(left.pid, signal.SIGTERM)
            left.wait()  # its parent reaps it, as init does for a real orphan

        _until(lambda: lock.leftovers(tmp_path) == {left.pid})
        with lock.held(tmp_path, say):
            assert lock.leftovers(tmp_path) == set()
        assert said == [f"ending 1 process(es) that an interrupted run left behind: {left.pid}"]


def test_other_programs_with_the_mark_are_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"], env={**os.environ, lock.MARK: str(tmp_path)}) as other:
        try:
            _until(lambda: other.pid in lock.marked(tmp_path))
            assert lock.leftovers(tmp_path) == set()
        finally:
            other.kill()


def _until(true: Any) -> None:
    limit = time.monotonic() + 10
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.05)

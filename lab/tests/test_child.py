import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from lab import child
from lab.errors import LabError

ECHO = [sys.executable, "-c", "print('the data')"]
KEEP = [sys.executable, "-c", "import sys; data = sys.stdin.read(); print('kept', data.strip())"]
LOUD_AND_BAD = [sys.executable, "-c", "import sys; print('half'); print('pack is broken', file=sys.stderr); sys.exit(3)"]
DEAF = [sys.executable, "-c", "import sys; print('disk full', file=sys.stderr); sys.exit(2)"]
ENDLESS = [sys.executable, "-c", "while True: print('x' * 65536)"]


@pytest.fixture
def logs(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "left", tmp_path / "right"


def pipe(left: Any, right: Any, logs: Any) -> Any:
    return child.Children().pipe(left, right, dict(os.environ), logs)


def test_what_the_left_one_writes_the_right_one_reads(logs: Any) -> None:
    assert pipe(ECHO, KEEP, logs) == (0, 0)
    assert [log.read_text() for log in logs] == ["", "kept the data\n"]


def test_a_left_one_that_fails_half_way_is_seen_though_the_right_one_is_content(logs: Any) -> None:
    assert pipe(LOUD_AND_BAD, KEEP, logs) == (3, 0)
    assert logs[0].read_text() == "pack is broken\n"


def test_a_right_one_that_stops_reading_ends_the_left_one(logs: Any) -> None:
    left, right = pipe(ENDLESS, DEAF, logs)
    assert left != 0 and right == 2
    assert logs[1].read_text() == "disk full\n"


def test_a_right_one_that_cannot_start_leaves_no_left_one_behind(logs: Any) -> None:
    children = child.Children()
    with pytest.raises(LabError, match="is not installed"):
        children.pipe(ENDLESS, ["/no/such/program"], dict(os.environ), logs)
    assert children._running == {}


def test_stopping_ends_both(logs: Any) -> None:
    children = child.Children()
    found: list[Any] = []
    work = threading.Thread(target=lambda: found.append(children.pipe(ENDLESS, KEEP, dict(os.environ), logs)))
    work.start()
    while len(children._running) < 2:
        time.sleep(0.01)
    children.stop()
    work.join(30)
    assert found and found[0][0] != 0 and found[0][1] != 0

import threading
from typing import Any

import pytest

from lab import schedule
from lab import site as sites
from lab.errors import LabError
from lab.run import at_once
from lab.schedule import Result
from lab.stages import ROOT, Stage, order

DIAMOND = order((Stage("top", "", ("left", "right")), Stage("left", "", ("base",)), Stage("right", "", ("base",)), Stage("base", "")))
FAN = order((Stage("a", ""), Stage("b", ""), Stage("on_a", "", ("a",)), Stage("on_b", "", ("b",)), Stage("on_on_a", "", ("on_a",))))


def states(results: Any) -> Any:
    return {result.stage: result.state for result in results}


def failing(*names: Any) -> Any:
    return lambda stage: Result(stage.name, "failed", error=LabError("broken")) if stage.name in names else Result(stage.name, "up")


@pytest.mark.parametrize(
    ("stages", "broken", "expected"),
    [
        (DIAMOND, (), {"base": "up", "left": "up", "right": "up", "top": "up"}),
        (DIAMOND, ("left",), {"base": "up", "left": "failed", "right": "up", "top": "blocked"}),
        (DIAMOND, ("base",), {"base": "failed", "left": "blocked", "right": "blocked", "top": "blocked"}),
        (DIAMOND, ("top",), {"base": "up", "left": "up", "right": "up", "top": "failed"}),
        (FAN, ("a",), {"a": "failed", "on_a": "blocked", "on_on_a": "blocked", "b": "up", "on_b": "up"}),
    ],
)
def test_a_failed_stage_blocks_what_needs_it_and_nothing_else(stages: Any, broken: Any, expected: Any) -> None:
    assert states(schedule.run(stages, failing(*broken))) == expected


def test_a_blocked_stage_names_the_first_that_failed() -> None:
    results = {result.stage: result for result in schedule.run(FAN, failing("a"))}
    assert results["on_on_a"].blocked_by == "a"


def test_independent_stages_run_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=10)

    def work(stage: Any) -> Any:
        if stage.name in {"left", "right"}:
            both.wait()  # breaks unless both are here
        return Result(stage.name, "up")

    assert set(states(schedule.run(DIAMOND, work)).values()) == {"up"}


def test_no_more_stages_run_at_the_same_time_than_are_allowed_and_those_in_the_order_of_the_graph() -> None:
    running, most, begun, lock = 0, 0, [], threading.Lock()

    def work(stage: Any) -> Any:
        nonlocal running, most
        with lock:
            running, most = running + 1, max(most, running + 1)
            begun.append(stage.name)
        threading.Event().wait(0.02)
        with lock:
            running -= 1
        return Result(stage.name, "up")

    assert set(states(schedule.run(FAN, work, at_once=1)).values()) == {"up"}
    assert (most, begun) == (1, [stage.name for stage in FAN])


@pytest.mark.parametrize(("processors", "expected"), [(1, 1), (2, 1), (4, 2), (16, 8)])
def test_machines_that_are_here_share_the_processors(processors: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: processors)
    rehearsal, production = (sites.load(ROOT / "inventories" / name / "site.yml") for name in ("rehearsal", "production"))
    assert (at_once(rehearsal), at_once(production)) == (expected, None)


def test_fail_fast_stops_what_runs_and_starts_nothing_more() -> None:
    stopped = threading.Event()

    def work(stage: Any) -> Any:
        if stage.name == "left":
            return Result("left", "failed")
        if stage.name == "right":
            assert stopped.wait(10)
            return Result("right", "stopped")
        return Result(stage.name, "up")

    results = states(schedule.run(DIAMOND, work, fail_fast=True, stop=stopped.set))
    assert results == {"base": "up", "left": "failed", "right": "stopped", "top": "blocked"}


def test_a_bug_stops_the_run_and_shows() -> None:
    stopped = []

    def work(stage: Any) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        schedule.run(DIAMOND, work, stop=lambda: stopped.append(True))
    assert stopped == [True]

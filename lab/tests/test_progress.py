import io
from typing import Any

import pytest
from rich.console import Console

from lab import progress
from lab.schedule import Result


@pytest.mark.parametrize(("seconds", "words"), [(0.04, "0.0 s"), (4.2, "4.2 s"), (59.4, "59 s"), (190, "3 min 10 s")])
def test_durations_are_said_as_people_do(seconds: Any, words: Any) -> None:
    assert progress.duration(seconds) == words


def test_output_that_is_no_terminal_gets_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    view = progress.make(["network"], {})
    assert isinstance(view, progress.PlainLines)
    with view:
        for event in ({"event": "play", "name": "Router"}, *[{"event": "task", "role": "router", "task": str(n)} for n in range(50)]):
            view.event("network", event)
        view.event("network", {"event": "failed", "task": "Install", "host": "gate"})
        view.event("network", {"event": "notice", "host": "gate", "text": "nothing was pushed: it is a shallow clone"})
        view.ended(Result("network", "up", 61, True, 7))
    lines = [line.split(" ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "network: Router",
        "network: role router",
        "network: failed: Install on gate",
        "network: nothing was pushed: it is a shallow clone",
        "network: up: built, 7 checks passed (1 min 01 s)",
    ]


def test_ci_gets_plain_lines_even_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("CI", "1")
    assert isinstance(progress.make([], {}), progress.PlainLines)


def test_the_live_view_shows_task_machines_and_what_is_left() -> None:
    out = io.StringIO()
    console = Console(file=out, width=120, force_terminal=False)
    view = progress.LiveView(["network", "nas"], {"network": 100.0}, console)
    view.stage("network", "building")
    view.event("network", {"event": "task", "role": "router", "task": "router : Install [it]"})
    view.event("network", {"event": "start", "host": "gate"})
    console.print(view.table())
    shown = out.getvalue()
    assert "router : Install [it] (gate)" in shown
    assert "~1 min 40 s" in shown
    assert "waits" in shown


def test_the_live_view_shows_how_a_stage_ended() -> None:
    out = io.StringIO()
    console = Console(file=out, width=120)
    view = progress.LiveView(["network"], {}, console)
    view.ended(Result("network", "blocked", blocked_by="base"))
    console.print(view.table())
    assert "blocked by base" in out.getvalue()

from pathlib import Path

from lab import events


def test_a_feed_gives_each_event_once_and_waits_for_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "events"
    feed = events.Feed(path)
    assert feed.new() == []
    path.write_text('{"event": "play"}\n{"event": "ta')
    assert feed.new() == [{"event": "play"}]
    with path.open("a") as out:
        out.write('sk"}\n')
    assert feed.new() == [{"event": "task"}]


def test_lines_that_are_no_events_are_left_out() -> None:
    assert events.parse(["nonsense", "[]", '{"a": 1}', '{"event": "ok"}']) == [{"event": "ok"}]

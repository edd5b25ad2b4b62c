from typing import Any

import pytest

from lab.errors import LabError
from lab.wait import wait_for


def probe(*seen: Any) -> Any:
    """Sees these one after another, then the last one for ever."""
    left = list(seen)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def test_what_was_wanted_is_returned_as_soon_as_it_is_seen() -> None:
    assert wait_for("server boots", probe("BUILD", "BUILD", "ACTIVE"), lambda seen: seen == "ACTIVE", 5, pause_seconds=0) == "ACTIVE"


def test_a_failure_ends_the_wait_and_is_shown() -> None:
    with pytest.raises(LabError, match=r"^server boots at https://cloud: failed after 0 s; last seen: 'ERROR'$"):
        wait_for("server boots", probe("BUILD", "ERROR"), lambda _: False, 60, lambda seen: seen == "ERROR", 0, "https://cloud")


def test_the_limit_ends_the_wait_and_says_what_was_last_seen() -> None:
    with pytest.raises(LabError, match=r"^server boots: not within 0.02 s; last seen: 'BUILD'$"):
        wait_for("server boots", probe("BUILD"), lambda _: False, 0.02, pause_seconds=0.005)


def test_wanted_wins_over_the_limit_for_the_last_look_counts() -> None:
    assert wait_for("it is there", probe(True), bool, 0) is True


def test_a_probe_that_breaks_is_not_hidden() -> None:
    def refused() -> None:
        raise PermissionError("401")

    with pytest.raises(PermissionError, match="401"):
        wait_for("it answers", refused, bool, 1)

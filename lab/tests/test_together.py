import threading

import pytest

from lab.together import each


def test_results_are_in_the_order_of_the_items() -> None:
    assert each(lambda item: item * 2, [3, 1, 2]) == [6, 2, 4]


def test_things_are_done_at_the_same_time() -> None:
    meeting = threading.Barrier(4, timeout=10)
    each(lambda _: meeting.wait(), range(4))


def test_the_first_failure_in_order_is_raised_and_the_others_are_still_done() -> None:
    done = []

    def work(item: int) -> None:
        done.append(item)
        if item in (1, 2):
            raise AssertionError(f"item {item}")

    with pytest.raises(AssertionError, match="item 1"):
        each(work, range(4))
    assert sorted(done) == [0, 1, 2, 3]


def test_nothing_to_do_is_fine() -> None:
    assert each(str, []) == []

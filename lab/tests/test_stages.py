import graphlib
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab import stages
from lab.errors import InputError
from lab.site import Site
from lab.stages import Stage

DIAMOND = (Stage("top", "", ("left", "right")), Stage("left", "", ("base",)), Stage("right", "", ("base",)), Stage("base", ""))


@pytest.mark.parametrize(
    ("to", "only", "from_", "chosen"),
    [
        (None, None, None, {"base", "left", "right", "top"}),
        ("left", None, None, {"base", "left"}),
        ("base", None, None, {"base"}),
        (None, "top", None, {"top"}),
        (None, None, "left", {"left", "top"}),
        (None, None, "base", {"base", "left", "right", "top"}),
        ("top", None, "right", {"right", "top"}),
        ("left", None, "left", {"left"}),
    ],
)
def test_a_run_is_about_the_stages_it_was_asked_for(to: Any, only: Any, from_: Any, chosen: Any) -> None:
    assert {stage.name for stage in stages.select(to, only, from_, DIAMOND)} == chosen


def test_a_stage_comes_after_what_it_needs() -> None:
    names = [stage.name for stage in stages.order(DIAMOND)]
    assert names[0] == "base"
    assert names[-1] == "top"


def test_needs_outside_of_the_chosen_stages_do_not_count() -> None:
    assert [stage.name for stage in stages.order(DIAMOND[:1])] == ["top"]


def test_a_circle_is_refused() -> None:
    with pytest.raises(graphlib.CycleError):
        stages.order((Stage("a", "", ("b",)), Stage("b", "", ("a",))))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"only": "netwrok"}, "stage netwrok: there is no such stage; fix: did you mean network?"),
        ({"to": "kitchen"}, "stage kitchen: there is no such stage; fix: one of: backup, git, kubernetes, nas, network, openstack, ovirt"),
        (
            {"only": "network", "to": "network"},
            "--only names the one stage to run, so --to and --from say nothing beside it; fix: leave out either",
        ),
    ],
)
def test_a_wrong_choice_is_refused_with_the_way_out(arguments: Any, message: Any) -> None:
    with pytest.raises(InputError) as refused:
        stages.select(**arguments)
    assert str(refused.value) == message


def test_a_range_with_nothing_in_it_is_refused() -> None:
    with pytest.raises(InputError, match="right does not build on left"):
        stages.select("right", None, "left", DIAMOND)


def test_the_shipped_stages_are_in_order_and_named_once() -> None:
    assert len({stage.name for stage in stages.STAGES}) == len(stages.order()) == len(stages.STAGES)


def test_a_site_has_the_stages_whose_sections_it_has() -> None:
    tower = (Stage("base", "", is_optional=False), Stage("nas", "", ("base",)))
    without, having = (cast(Site, SimpleNamespace(nas=section)) for section in (None, object()))
    assert stages.of(without, tower) == tower[:1]
    assert stages.of(having, tower) == tower

"""Where VMs are, against where their groups want them."""

from __future__ import annotations

import pytest

from lab.errors import LabError
from lab.ovirt.placement import Group, Move, moves, violations

APART = Group("spread", "apart", ("a", "b", "c"))
TOGETHER = Group("pair", "together", ("a", "b", "c"))
NODES = ("n1", "n2", "n3")


@pytest.mark.parametrize(
    ("groups", "places", "hypervisors", "broken", "needed"),
    [
        ([APART], {"a": "n1", "b": "n2", "c": "n3"}, NODES, [], []),
        ([APART], {"a": "n1", "b": "n1", "c": "n3"}, NODES, ["affinity group spread: a, b run together on n1"], [("b", "n1", "n2")]),
        (
            [APART],
            {"a": "n1", "b": "n1", "c": "n1"},
            NODES,
            ["affinity group spread: a, b, c run together on n1"],
            [("b", "n1", "n2"), ("c", "n1", "n3")],
        ),
        ([APART], {"a": "n1", "b": "n2"}, ("n1", "n2"), [], []),
        ([APART], {}, (), [], []),
        ([TOGETHER], {"a": "n1", "b": "n1", "c": "n1"}, NODES, [], []),
        (
            [TOGETHER],
            {"a": "n2", "b": "n1", "c": "n2"},
            NODES,
            ["affinity group pair: its VMs run on n1, n2 instead of on one hypervisor"],
            [("b", "n1", "n2")],
        ),
        (
            [TOGETHER],
            {"a": "n2", "b": "n1"},
            NODES,
            ["affinity group pair: its VMs run on n1, n2 instead of on one hypervisor"],
            [("a", "n2", "n1")],
        ),
        (
            [APART, Group("other", "apart", ("b", "d"))],
            {"a": "n1", "b": "n1", "d": "n2"},
            NODES,
            ["affinity group spread: a, b run together on n1"],
            [("b", "n1", "n3")],
        ),
        (
            [APART, Group("pair", "together", ("b", "d"))],
            {"a": "n1", "b": "n1", "d": "n1"},
            NODES,
            ["affinity group spread: a, b run together on n1"],
            None,
        ),
        (
            [APART],
            {"a": "n1", "b": "n1", "x": "n2", "y": "n2"},
            NODES,
            ["affinity group spread: a, b run together on n1"],
            [("b", "n1", "n3")],
        ),
    ],
)
def test_rules_that_are_broken_are_named_and_mended(
    groups: list[Group], places: dict[str, str], hypervisors: tuple[str, ...], broken: list[str], needed: list[tuple[str, str, str]] | None
) -> None:
    assert violations(groups, places) == broken
    if needed is None:
        with pytest.raises(LabError, match="no hypervisor that is up may take it"):
            moves(groups, places, hypervisors)
        return
    found = moves(groups, places, hypervisors)
    assert found == [Move(*move) for move in needed]
    assert violations(groups, dict(places) | {move.vm: move.target for move in found}) == []


def test_more_vms_than_hypervisors_is_said_and_not_tried() -> None:
    with pytest.raises(
        LabError, match=r"affinity group spread: c must leave n1, .*\(n1, n2\); fix: bring up another hypervisor, or take VMs"
    ):
        moves([APART], {"a": "n1", "b": "n2", "c": "n1"}, ("n1", "n2"))


def test_a_hypervisor_that_is_not_up_takes_no_vm() -> None:
    assert moves([APART], {"a": "n1", "b": "n1"}, ("n1", "n3")) == [Move("b", "n1", "n3")]

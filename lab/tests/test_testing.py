"""What the tests of the project are made of, and what may be left out of them."""

from __future__ import annotations

import pytest

from lab import stages, testing
from lab.errors import InputError


def test_roles_that_a_stage_shares_with_others_are_tested_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        stages, "roles_of", lambda stage: {"git": ["certificate", "git_server"], "nas": ["certificate"]}.get(stage.name, [])
    )
    assert testing.own_roles(["git"]) == ["git_server"]
    assert testing.own_roles(["git", "nas"]) == ["certificate", "git_server"]


def test_nothing_is_left_out_unless_it_is_asked_for() -> None:
    assert testing.own_roles([]) == []


@pytest.mark.parametrize("part", [testing.everything, testing.roles, testing.rehearsal])
def test_a_stage_that_is_not_there_cannot_be_left_out(part: object) -> None:
    with pytest.raises(InputError, match=r"stage kubernets: there is no such stage; fix:"):
        part(["kubernets"])  # type: ignore[operator]


def test_what_a_stage_s_machines_are_made_from_is_left_out_with_it() -> None:
    assert testing.own_roles(["openstack"])[-1] == "tiny_image"
    assert set(testing.OF_NO_ROLE) <= set(testing.scenarios())

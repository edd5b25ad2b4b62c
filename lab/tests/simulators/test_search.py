"""The search language, without a server."""

from __future__ import annotations

from typing import Any

import pytest

from lab.simulators.ovirt import search
from lab.simulators.ovirt.errors import Fault

KEYS = {name: (lambda item, name=name: [item.get(name)]) for name in ("name", "status", "memory", "cluster")}
VMS = [
    {"name": "gate", "status": "up", "memory": 512, "cluster": "lab"},
    {"name": "nas", "status": "down", "memory": 2048, "cluster": "lab"},
    {"name": "Git", "status": "up", "memory": 1024, "cluster": "other"},
    {"name": "a[b]?", "status": "unknown", "memory": 10000, "cluster": None},
]


def found(text: str, *, is_case_sensitive: bool = True) -> list[Any]:
    return [vm["name"] for vm in search.apply(search.parse(text, KEYS), VMS, KEYS, is_case_sensitive)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('name="gate"', ["gate"]),
        ("name=gate", ["gate"]),
        ("NAME=gate", ["gate"]),
        ("name = gate", ["gate"]),
        ("name=g*", ["gate"]),
        ("name=*a*", ["gate", "nas", "a[b]?"]),
        ('name="*"', ["gate", "nas", "Git", "a[b]?"]),
        ("name=a[b]?", ["a[b]?"]),
        ("name=g?te", []),
        ("status=up and cluster=lab", ["gate"]),
        ("status=up cluster=lab", ["gate"]),
        ("status=up or status=down", ["gate", "nas", "Git"]),
        ("status=down or status=up and cluster=other", ["nas", "Git"]),
        ("status!=up", ["nas", "a[b]?"]),
        ("memory>1000 and memory<3000", ["nas", "Git"]),
        ("memory<=512", ["gate"]),
        ("memory>=2048", ["nas", "a[b]?"]),
        ("gat", ["gate"]),
        ("sortby memory desc", ["a[b]?", "nas", "Git", "gate"]),
        ("status=up sortby name asc", ["gate", "Git"]),
        ("cluster=none", []),
        ("", ["gate", "nas", "Git", "a[b]?"]),
    ],
)
def test_a_search_finds_what_the_engine_would(text: str, names: list[str]) -> None:
    assert found(text) == names


def test_case_matters_unless_told_otherwise() -> None:
    assert (found("name=git"), found("name=git", is_case_sensitive=False)) == ([], ["Git"])


def test_a_page_is_asked_for_in_the_search() -> None:
    assert search.parse("name=x page 3", KEYS).page == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nam=gate", "There is no key 'nam' to search by; did you mean name?"),
        ("vm.name=gate", "There is no key 'vm.name'"),
        ("sortby colour", "There is no key 'colour'"),
        ("name=", "A value is missing after 'name='"),
        ("=gate", "'=' has no key before it"),
        ("name=gate and", "Nothing follows 'and'"),
        ("page 0", "'0' is not the number of a page"),
        ("page", "A value is missing after 'page'"),
        ('name="gate', "cannot be read"),
        ("(name=gate)", "Parentheses are not simulated"),
    ],
)
def test_a_search_that_means_nothing_is_refused_and_never_matches_everything(text: str, said: str) -> None:
    with pytest.raises(Fault) as refused:
        search.parse(text, KEYS)
    assert refused.value.status == 400
    assert refused.value.detail.startswith("[Invalid Search text. ")
    assert said in refused.value.detail

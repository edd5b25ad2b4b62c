"""From plain values to wanted things, with everything that is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from lab.errors import InputError, suggest
from lab.things.thing import Thing

Kinds = Mapping[str, type[Thing]]
SECRETS = ("password", "user_data")


def thing(kind: str, values: Mapping[str, Any], kinds: Kinds, place: str) -> Thing:
    """One wanted thing of one of the `kinds` that `place` has, as messages call it.

    Raises InputError with everything that is wrong with it.
    """
    things, problems = _parse(kind, [values], kinds, place)
    if problems:
        raise InputError("\n".join(problems))
    return things[0]


def parse(model: Mapping[str, Iterable[Mapping[str, Any]]], kinds: Kinds, place: str) -> list[Thing]:
    """A whole wanted model, given as kind -> things.

    Raises InputError with everything that is wrong with all of them.
    """
    things: list[Thing] = []
    problems: list[str] = []
    for kind, many in model.items():
        found, wrong = _parse(kind, many, kinds, place)
        things += found
        problems += wrong
    counted = Counter(item.ref for item in things)
    twice = [ref for ref, times in counted.items() if times > 1]
    problems += [f"{ref}: is in the model twice; fix: give one of them another name" for ref in sorted(twice)]
    if problems:
        raise InputError("\n".join(problems))
    return things


def _parse(kind: str, many: Iterable[Mapping[str, Any]], kinds: Kinds, place: str) -> tuple[list[Thing], list[str]]:
    if kind not in kinds:
        return [], [f"{kind}: is no kind of thing on {place}; fix: {suggest(kind, kinds)}"]
    things, problems = [], []
    for number, values in enumerate(many):
        try:
            things.append(kinds[kind].model_validate(values))
        except ValidationError as error:
            name = f"{kind.replace('_', ' ')} {values.get('name', f'number {number + 1}')}"
            problems += [f"{name}: {'.'.join(map(str, one['loc'])) or 'as a whole'}: {_said(one)}" for one in error.errors()]
    return things, problems


def _said(one: Any) -> str:
    """A message of pydantic, with what was given unless it may be a secret."""
    hidden = one["type"] in ("missing", "value_error") or any(word in one["loc"] for word in SECRETS)
    return one["msg"] if hidden else f"{one['msg']}, is {str(one['input'])[:60]!r}"

"""The engine's search language, strictly: `name="x" and status=up or ip=10.* sortby name desc page 2`."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from lab.errors import suggest
from lab.simulators.ovirt.errors import Fault, refused

# The texts a key of an object has; a condition holds when it holds for one of them.
Getter = Callable[[Any], Iterable[object]]
Item = TypeVar("Item")

_TOKEN = re.compile(r"""\s*(?:(?P<op><=|>=|!=|=|<|>)|(?P<paren>[()])|"(?P<quoted>[^"]*)"|(?P<word>[^\s()=<>!"]+))""")


@dataclass(frozen=True)
class Condition:
    """One comparison."""

    key: str
    operator: str
    value: str


@dataclass(frozen=True)
class Query:
    """What was asked: any of the groups, in each of which all conditions hold; the order, and the page."""

    groups: tuple[tuple[Condition, ...], ...] = ()
    sort_by: str = ""
    is_descending: bool = False
    page: int = 1


def invalid(cause: str) -> Fault:
    """The engine refuses a search it does not understand."""
    return refused(f"Invalid Search text. {cause}")


def parse(text: str, keys: Iterable[str]) -> Query:
    """Reads a search.

    Raises Fault 400 for a key the kind does not have, and for what is not a search.
    """
    known = {key.lower() for key in keys}
    tokens = _tokens(text)
    groups: list[list[Condition]] = [[]]
    sort_by, is_descending, page = "", False, 1
    while tokens:
        kind, word = tokens.pop(0)
        lowered = word.lower()
        if kind == "word" and lowered in ("and", "or") and groups[-1]:
            if not tokens:
                raise invalid(f"Nothing follows {word!r}.")
            if lowered == "or":
                groups.append([])
        elif kind == "word" and lowered == "page":
            page = _page(tokens)
        elif kind == "word" and lowered == "sortby":
            sort_by = _known(_word(tokens, "sortby"), known)
            if tokens and tokens[0][1].lower() in ("asc", "desc"):
                is_descending = tokens.pop(0)[1].lower() == "desc"
        elif kind == "paren":
            raise invalid("Parentheses are not simulated.")
        elif kind != "op" and tokens and tokens[0][0] == "op":
            operator = tokens.pop(0)[1]
            groups[-1].append(Condition(_known(lowered, known), operator, _word(tokens, word + operator)))
        elif kind != "op":
            groups[-1].append(Condition("", "=", f"*{word}*"))  # a bare word is looked for in the name
        else:
            raise invalid(f"{word!r} has no key before it.")
    return Query(tuple(tuple(group) for group in groups if group), sort_by, is_descending, page)


def apply(query: Query, items: list[Item], keys: Mapping[str, Getter], is_case_sensitive: bool) -> list[Item]:
    """Those that match, in the order asked for; paging is done by who knows how long a page is."""
    getters = {key.lower(): getter for key, getter in keys.items()}
    getters[""] = getters.get("name", lambda item: ())

    def holds(item: Item, condition: Condition) -> bool:
        values = [_text(value) for value in getters[condition.key](item) if value is not None]
        matches = [_compare(value, condition, is_case_sensitive) for value in values]
        return all(matches) if condition.operator == "!=" else any(matches)

    found = [item for item in items if not query.groups or any(all(holds(item, each) for each in group) for group in query.groups)]
    if query.sort_by:
        found.sort(key=lambda item: [_order(_text(value)) for value in getters[query.sort_by](item)], reverse=query.is_descending)
    return found


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, place = [], 0
    while place < len(text.rstrip()):
        match = _TOKEN.match(text, place)
        if not match:
            raise invalid(f"{text[place:]!r} cannot be read.")
        kind = str(match.lastgroup)
        tokens.append((kind, match.group(kind)))
        place = match.end()
    return tokens


def _word(tokens: list[tuple[str, str]], after: str) -> str:
    if not tokens or tokens[0][0] not in ("word", "quoted"):
        raise invalid(f"A value is missing after {after!r}.")
    return tokens.pop(0)[1]


def _page(tokens: list[tuple[str, str]]) -> int:
    number = _word(tokens, "page")
    if not number.isdecimal() or int(number) < 1:
        raise invalid(f"{number!r} is not the number of a page.")
    return int(number)


def _known(key: str, known: set[str]) -> str:
    if key.lower() not in known:
        raise invalid(f"There is no key {key!r} to search by; {suggest(key.lower(), known)}")
    return key.lower()


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _order(text: str) -> tuple[int, float, str]:
    return (0, float(text), "") if re.fullmatch(r"-?\d+(\.\d+)?", text) else (1, 0.0, text.lower())


def _compare(text: str, condition: Condition, is_case_sensitive: bool) -> bool:
    value = condition.value
    if condition.operator in ("<", ">", "<=", ">="):
        left, right = _order(text), _order(value)
        return {"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[condition.operator]
    if not is_case_sensitive:
        text, value = text.lower(), value.lower()
    # Only the star is special, as in the engine.
    pattern = "*".join(part.replace("[", "[[]").replace("?", "[?]") for part in value.split("*"))
    return fnmatch.fnmatchcase(text, pattern) is (condition.operator == "=")

"""Asks before what cannot be taken back."""

from __future__ import annotations

import sys
from collections.abc import Callable

from lab.errors import InputError


def given(verb: str, site_name: str, ask: Callable[[str], str], instead: str = "") -> bool:
    """Whether the operator agrees, by typing the site's name; `instead` is what else there is to do.

    Raises InputError where nobody is there to be asked.
    """
    if not sys.stdin.isatty():
        raise InputError(f"{verb}: nobody is here to answer; fix: add --yes if you mean it{instead}")
    return ask(f"type the name of the site ({site_name}) to go on: ").strip() == site_name

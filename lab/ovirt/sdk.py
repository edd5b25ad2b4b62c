"""The SDK, imported where an engine is spoken to and not before: it is built from source."""

from __future__ import annotations

import importlib
from typing import Any

from lab.errors import LabError

NEEDS = "apt-get install gcc python3-dev libxml2-dev, then ./inv (which builds ovirt-engine-sdk-python)"


def sdk() -> Any:
    """The package ovirtsdk4.

    Raises LabError with what its build needs.
    """
    return _load("ovirtsdk4")


def types() -> Any:
    """The SDK's types, which requests are made of."""
    return _load("ovirtsdk4.types")


def _load(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise LabError(f"{name}: the oVirt SDK cannot be imported ({error}); fix: {NEEDS}") from None


def word(value: Any) -> str:
    """An enum of the SDK as the engine writes it; empty where the engine sent none, or a word the SDK does not know."""
    return "" if value is None else str(value.value)


def text(value: str | None) -> str:
    """The SDK reads `<x/>` as None and `<x></x>` as the empty text; to us they are the same."""
    return value or ""


def ident(link: Any) -> str:
    """The id of what a link points to; empty where there is no link."""
    return str(link.id) if link is not None and link.id else ""

"""The SDK, imported where a cloud is spoken to and not before: it takes a second."""

from __future__ import annotations

import importlib
from typing import Any

from lab.errors import LabError


def load(name: str) -> Any:
    """A module of the SDK, or of what it brings.

    Raises LabError where it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise LabError(
            f"{name}: openstacksdk cannot be imported ({error}); fix: ./inv makes .venv again, with all that is locked"
        ) from None


def text(value: Any) -> str:
    """An API writes what is empty in two ways; to us they are the same."""
    return str(value) if value else ""

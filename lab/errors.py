"""Errors an operator can mend. They are printed as they are, without a traceback; anything else is a bug of ours."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


class LabError(Exception):
    """Something in the world is not as it has to be (exit code 1)."""

    exit_code = 1


class InputError(LabError):
    """What we were given cannot be used (exit code 2); nothing was changed."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a file: where it is, what is wrong, and how to mend it if that can be computed."""

    file: Path
    line: int
    path: str
    message: str
    fix: str = ""

    def __str__(self) -> str:
        """`file:line: path: message; fix: ...`, leaving out what there is none of."""
        where = f"{self.file}:{self.line}: " + (f"{self.path}: " if self.path else "")
        return where + self.message + (f"; fix: {self.fix}" if self.fix else "")


class SiteError(InputError):
    """A site file is refused, with everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems in file order; the sort is stable, so those of one line stay as found."""
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__("\n".join(map(str, self.problems)))


def suggest(word: str, known: Iterable[str]) -> str:
    """The nearest of the known words as a question, or all of them when none is near."""
    words = sorted(known)
    near = difflib.get_close_matches(word, words, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"one of: {', '.join(words)}" if words else ""

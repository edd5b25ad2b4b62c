"""Explains a failed stage on one screen: the first cause and not its fallout, evidence, the likely fix."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import checks, events, signatures
from lab.errors import LabError
from lab.stages import ROOT

EVIDENCE_LINES = 8
LINE_LENGTH = 200
SHORTEST_SECRET = 4  # shorter ones would blank out half the screen
TAIL_LINES = 60
NAMED_CHECKS = 3  # before "and N more"
# Raised by what is wrong with a program, and hardly ever by what is wrong with a machine.
BUG = re.compile(r"((Attribute|Name|Type|Import|ModuleNotFound|Syntax|Indentation)Error\b|fixture '\w+' not found)")
BUG_FIX = "this is a bug in the check itself and says nothing about the role or the machine; mend {file}"
REDACTED = "(secret)"


@dataclass(frozen=True)
class Failure:
    """What an operator needs to know about a failed stage."""

    stage: str
    what: str  # the task or check
    machine: str
    place: str  # the role file, or check file
    cause: str
    evidence: tuple[str, ...]
    fix: str
    log: Path
    others: str = ""

    def __str__(self) -> str:
        """The screen, one fact a line; what there is none of is left out."""
        rows = (
            ("task", self.what),
            ("machine", self.machine),
            ("file", self.place),
            ("cause", self.cause),
            ("evidence", "\n           ".join(self.evidence[1:] if self.evidence[:1] == _cut((self.cause,)) else self.evidence)),
            ("fix", self.fix),
            ("also", self.others),
            ("log", _short(self.log)),
        )
        return "\n".join([f"stage {self.stage} failed", *(f"  {name:<8} {text}" for name, text in rows if text)])


class StageFailed(LabError):
    """A stage did not come up."""

    def __init__(self, failure: Failure, secrets: Iterable[str] = ()) -> None:
        """Keeps the failure; its text has no secrets in it."""
        self.failure = failure
        super().__init__(redact(str(failure), secrets))


def playbook_failure(stage: str, found: list[events.Event], log: Path, code: int) -> Failure:
    """The failure of a playbook, from its events, or from the end of its log where it never came to its first task."""
    tail = _tail(log)
    event = events.first_failure(found)
    if event is None:
        known = signatures.match("\n".join(tail))
        errors = [line for line in tail if re.search(r"error|fatal|failed", line, re.IGNORECASE)] or tail[-EVIDENCE_LINES:]
        cause = known.cause if known else f"ansible-playbook ended with code {code} and no failed task"
        return Failure(stage, "", "", "", cause, _cut(errors), known.fix.format(machine="the machine") if known else "", log)
    evidence = _evidence(event.get("result") or {})
    known = signatures.match("\n".join(evidence))
    machine = str(event.get("host", ""))
    others = [host for host in events.failed_hosts(found) if host != machine]
    plain = "the machine cannot be reached" if event["event"] == "unreachable" else (evidence[0] if evidence else "the task failed")
    return Failure(
        stage,
        str(event.get("task", "")),
        machine,
        _short(str(event.get("path", ""))),
        known.cause if known else plain,
        _cut(evidence),
        known.fix.format(machine=machine) if known else "",
        log,
        f"also failed on {', '.join(others)}" if others else "",
    )


def check_failure(stage: str, report: checks.Report) -> Failure:
    """The failure of checks: the first that failed, and the names of the others."""
    if not report.failed:
        return Failure(stage, "checks", "", "", report.problem, _cut(_tail(report.log)[-EVIDENCE_LINES:]), "", report.log)
    first, *rest = report.failed
    known = signatures.match("\n".join(first.evidence))
    cause = f"the playbook ended well, but {len(report.failed)} of {report.passed + len(report.failed)} checks failed"
    others = "; ".join(bad.sentence for bad in rest[:NAMED_CHECKS])
    others += f"; and {len(rest) - NAMED_CHECKS} more" if len(rest) > NAMED_CHECKS else ""
    fix = known.fix.format(machine="the machine") if known else ""
    if first.evidence and BUG.match(first.evidence[0]):
        fix = BUG_FIX.format(file=first.file)
    return Failure(stage, f"check: {first.sentence}", "", first.file, cause, _cut(first.evidence), fix, report.log, others)


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text without the values of secrets, longest first, so that no rest of one stays."""
    for secret in sorted({value for value in secrets if len(value) >= SHORTEST_SECRET}, key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    return text


def _evidence(result: Mapping[str, Any]) -> list[str]:
    """The lines of a task's result that say most: the message, then what the program wrote, each once."""
    if "censored" in result:
        return ["the result is hidden, for it may hold a secret (no_log); the task itself says what it does"]
    lines: list[str] = []
    for error in result.get("argument_errors") or []:
        lines.append(str(error))
    for key in ("msg", "stderr", "module_stderr", "stdout"):
        text = result.get(key)
        text = "\n".join(map(str, text)) if isinstance(text, list) else str(text or "")
        lines += [line.strip() for line in text.replace("\\n", "\n").replace("\\r", "").splitlines() if line.strip()]
    if (code := result.get("rc")) not in (None, 0):
        lines.append(f"exit code {code}: {_command(result.get('cmd'))}" if result.get("cmd") else f"exit code {code}")
    return list(dict.fromkeys(lines))


def _command(words: Any) -> str:
    return " ".join(map(str, words)) if isinstance(words, list) else str(words)


def _cut(lines: Iterable[str]) -> tuple[str, ...]:
    """Few lines: where there are too many, the first (the message) and the last (what a program said in the end)."""
    short = [line if len(line) <= LINE_LENGTH else line[: LINE_LENGTH - 3] + "..." for line in lines]
    if len(short) > EVIDENCE_LINES:
        half = EVIDENCE_LINES // 2
        short = [*short[:half], f"... {len(short) - EVIDENCE_LINES + 1} lines, see the log ...", *short[1 - half :]]
    return tuple(short)


def _tail(log: Path) -> list[str]:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return [line.strip() for line in lines if line.strip()][-TAIL_LINES:]


def _short(path: Path | str) -> str:
    return str(path).removeprefix(f"{ROOT}/")

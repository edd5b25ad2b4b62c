"""What a site's data is worth being lost: how old each backup is, and when it was last proven that it can be brought back."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Any

from lab import bringback, evidence, ledger, restore, run, sources
from lab import site as sites
from lab.errors import LabError
from lab.sources import Snapshot, Source

PATIENCE_SECONDS = 3


def lines(site: sites.Site, inventory: Mapping[str, Any], book: ledger.Ledger, say: Callable[[str], None]) -> list[str]:
    """A line for each source, and for each restore that was cut off."""
    published = sources.published(inventory)
    if not published:
        return []
    newest, why = _ask(inventory, book.get("backup"))
    entries = evidence.read(site.artifacts, say)
    found = [f"backup {name}: {freshness(source, newest, why)}; {_proof(site, entries, name)}" for name, source in published.items()]
    return found + restore.unfinished(site)


def freshness(source: Source, newest: Mapping[str, Snapshot], why: str) -> str:
    """How old the newest backup of a source is, in words; `why` is why nobody knows."""
    if why:
        return f"age unknown ({why})"
    row = newest.get(source.name)
    if row is None or not row.snapshot:
        problems = "; ".join(row.problems) if row else ""
        return "NO BACKUP" + (f" ({problems})" if problems else "")
    problems = f", PROBLEM: {'; '.join(row.problems)}" if row.problems else ""
    return f"newest is {evidence.span(row.age_seconds)} old, {size(row.size_bytes)}{problems}"


def size(count: int) -> str:
    """Bytes as people write them."""
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def _ask(inventory: Mapping[str, Any], entry: ledger.Entry | None) -> tuple[Mapping[str, Snapshot], str]:
    if entry is None or not entry.is_finished:
        return {}, "stage backup is not up"
    try:
        return bringback.report(inventory, connect_seconds=PATIENCE_SECONDS, limit=PATIENCE_SECONDS), ""
    except LabError as error:
        return {}, str(error).partition("; fix:")[0]


def _proof(site: sites.Site, entries: list[evidence.Evidence], source: str) -> str:
    return evidence.words(entries, source, shlex.join(["./inv", "drill", source, "--site", run.name_of(site.path)]))

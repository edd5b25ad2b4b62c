"""What is known about a site, asking no machine but the one that keeps the backups: stages, machines, backups, the age of the ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lab import find, ledger, platforms, protection, stages
from lab import site as sites
from lab.simulators.ovirt import site_engine


def status(site_path: Path, say: Callable[[str], None] = print) -> int:
    """Prints each stage as the ledger knows it, and the machines with what makes them exist."""
    site = sites.load(site_path)
    inventory = find.inventory(site)
    book = ledger.Ledger(site.artifacts / "ledger.json", say)
    say(f"site {site.name}: {site.path}")
    for stage in stages.order(stages.of(site)):
        say(f"  stage {stage.name}: {stage_line(book.get(stage.name), stage, inventory, book)}")
    for name, machine in site.machines.items():
        backend = platforms.platform(machine.platform.kind).backend()
        say(f"  machine {name}: {machine.address}, {machine.platform.kind} ({backend}), groups {', '.join(machine.groups)}")
    if options := site_engine.of_inventory(inventory):
        say(f"  oVirt: {site_engine.described(options)}")
    for line in protection.lines(site, inventory, book, say):
        say(f"  {line}")
    say(f"  {ledger_line(book)}")
    return 0


def stage_line(entry: ledger.Entry | None, stage: stages.Stage, inventory: dict[str, object], book: ledger.Ledger) -> str:
    """One stage in words. The ledger remembers; only checks know, so it says when they last passed."""
    if entry is None:
        return "never built"
    if not entry.is_finished:
        return "unfinished: its last build was cut off or failed"
    why = book.reasons(stage.name, ledger.fingerprint(stage, inventory))
    built = f"built {ledger.age(entry.built_at)}, checks passed {ledger.age(entry.checked_at)}"
    return f"changed since it was {built}: {'; '.join(why)}" if why else f"up when last seen, {built}"


def ledger_line(book: ledger.Ledger) -> str:
    """How old the ledger is."""
    stamps = [stamp for entry in book.entries.values() for stamp in (entry.built_at, entry.checked_at) if stamp]
    return f"ledger: last written {ledger.age(max(stamps))}" if stamps else "ledger: empty"

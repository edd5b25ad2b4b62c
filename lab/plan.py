"""What `up` would do and why, then what Ansible would change; without any effect of its own."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lab import child, events, explain, find, ledger, playbook, run, secrets, stages
from lab import site as sites
from lab.stages import Stage

SSH_PORT = 22
ANSWER_SECONDS = 2.0

Say = Callable[[str], None]


def plan(
    site_path: Path, *, to: str | None = None, only: str | None = None, from_: str | None = None, force: bool = False, say: Say = print
) -> int:
    """Prints the plan; returns 0, also where something would change, and 1 where Ansible cannot tell what."""
    # Also this process and what it imports may leave nothing behind, and a cache is something.
    sys.dont_write_bytecode = True
    site = sites.load(site_path)
    chosen = stages.select(to, only, from_, stages.of(site))
    known = secrets.read(site.directory)
    inventory = find.inventory(site)
    book = ledger.Ledger(site.artifacts / "ledger.json", say)
    pending = list(pending_stages(chosen, inventory, book, force, say))
    codes = [_differences(site, stage, inventory, tuple(known.values()), say) for stage in pending]
    return max(codes, default=0)


def pending_stages(chosen: Iterable[Stage], inventory: Mapping[str, Any], book: ledger.Ledger, force: bool, say: Say) -> Iterable[Stage]:
    """Says for each stage what `up` would do and why; yields those whose playbook would run."""
    for stage in chosen:
        why = ["it was asked for with --force"] if force else book.reasons(stage.name, ledger.fingerprint(stage, inventory))
        if not why:
            say(f"{stage.name}: nothing changed; its checks would run, and decide")
            continue
        say(f"{stage.name}: would be built, because")
        for reason in why:
            say(f"  - {reason}")
        yield stage


def answering(machines: Mapping[str, str], port: int = SSH_PORT) -> set[str]:
    """The machines (name to address) that accept a connection on SSH now."""

    def answers(address: str) -> bool:
        try:
            with socket.create_connection((address, port), ANSWER_SECONDS):
                return True
        except OSError:
            return False

    with ThreadPoolExecutor(max_workers=32) as pool:
        return {name for name, found in zip(machines, pool.map(answers, machines.values()), strict=True) if found}


def _differences(site: sites.Site, stage: Stage, inventory: Mapping[str, Any], known: tuple[str, ...], say: Say) -> int:
    """Prints what Ansible would change on the machines that can be asked, and names those that cannot."""
    machines = targets(stage, inventory)
    there = answering(machines)
    for name in sorted(machines.keys() - there):
        say(f"{stage.name}: {name} ({machines[name]}): unknown, for it does not exist yet or does not answer")
    if not there:
        return 0
    with tempfile.TemporaryDirectory(prefix="strata-plan-") as folder:
        scratch = Path(folder)
        log, happened = scratch / "log", scratch / "events"
        command = run.playbook_command(site.path, stage, "--check", "--diff", "--limit", ",".join(sorted(there)))
        code = child.Children().run(command, _environment(site, scratch, happened), log)
        say(explain.redact(log.read_text(encoding="utf-8", errors="replace").rstrip(), known))
        if code:
            say(f"{stage.name}: unknown beyond this point; in check mode:")
            # The log goes with its folder, so the message must not point there; it was printed above.
            failure = explain.playbook_failure(stage.name, events.read(happened), log, code)
            say(explain.redact(str(failure).partition("\n  log ")[0], known))
    return 1 if code else 0


def targets(stage: Stage, inventory: Mapping[str, Any]) -> dict[str, str]:
    """The machines a stage's playbook is for, with their addresses."""
    hosts: dict[str, Mapping[str, Any]] = inventory["_meta"]["hostvars"]
    found = playbook.machines(stage.playbook, inventory)
    return {name: str(hosts[name].get("ansible_host", name)) for name in sorted(found)}


def _environment(site: sites.Site, scratch: Path, happened: Path) -> dict[str, str]:
    """Everything Ansible or SSH would leave behind goes to a folder that is removed: facts, temporary files, connections, host keys."""
    return run.playbook_environment(site.artifacts, happened) | {
        "STRATA_LOOK_ONLY": "1",
        # A plan is what would change; what would not is noise.
        "ANSIBLE_DISPLAY_OK_HOSTS": "false",
        "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false",
        "ANSIBLE_HOME": str(scratch / "ansible"),
        "ANSIBLE_LOCAL_TEMP": str(scratch / "tmp"),
        "ANSIBLE_CACHE_PLUGIN": "memory",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(scratch / "ssh"),
        "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=5s",
        "ANSIBLE_RETRY_FILES_ENABLED": "false",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),  # noqa: S108 - where everyone's temporary files go
    }

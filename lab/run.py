"""Runs stages: builds what changed, checks everything, keeps the ledger, and says how it ended and how to go on."""

from __future__ import annotations

import functools
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from lab import (
    ca,
    checks,
    child,
    consent,
    events,
    explain,
    find,
    ledger,
    lock,
    platforms,
    progress,
    sandbox,
    schedule,
    secrets,
    site_warnings,
    stages,
)
from lab import inventory as inventories
from lab import site as sites
from lab.errors import LabError
from lab.inventory.common import authority
from lab.simulators.ovirt import site_engine
from lab.stages import ROOT, Stage

INTERRUPTED = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Options:
    """What a run was asked for; enough to write down the command that continues it."""

    site: Path
    to: str | None = None
    only: str | None = None
    from_: str | None = None
    force: bool = False
    fail_fast: bool = False

    def resume_command(self, verb: str = "up") -> str:
        """The command that continues this run. Without --force: what it has built by now need not be built again."""
        words = ["./inv", verb, "--site", name_of(self.site)]
        for option, value in (("--to", self.to), ("--only", self.only), ("--from", self.from_)):
            words += [option, value] if value else []
        return shlex.join([*words, "--fail-fast"] if self.fail_fast else words)


@dataclass
class Job:
    """One run on one site: everything a stage needs to be built and checked."""

    site: sites.Site
    inventory: Mapping[str, Any]
    secrets: tuple[str, ...]
    ledger: ledger.Ledger
    progress: progress.Progress
    children: child.Children
    force: bool = False
    is_check_only: bool = False
    is_disruptive: bool = False

    @property
    def logs(self) -> Path:
        """Where the complete logs of all stages are."""
        return self.site.artifacts / "logs"

    def work(self, stage: Stage) -> schedule.Result:
        """Brings one stage up: its checks where nothing changed, else its playbook and then its checks."""
        began = time.monotonic()
        result = functools.partial(schedule.Result, stage.name)
        try:
            was_built, report = self._bring_up(stage)
        except child.Stopped:
            return result("stopped", time.monotonic() - began)
        except LabError as error:
            state: schedule.State = "stopped" if self.children.is_stopped else "failed"
            return result(state, time.monotonic() - began, error=error)
        return result("up", time.monotonic() - began, was_built, report.passed, report.left_out)

    def _bring_up(self, stage: Stage) -> tuple[bool, checks.Report]:
        if self.is_check_only:
            return False, self._must_pass(stage, self._check(stage)[0])
        parts = ledger.fingerprint(stage, self.inventory)
        why = ["it was asked for with --force"] if self.force else self.ledger.reasons(stage.name, parts)
        if not why:
            report, seconds = self._check(stage)
            if report.is_good:
                self.ledger.checked(stage.name, seconds)
                return False, report
            why = [f"nothing changed, but a check fails: {report.failed[0].sentence if report.failed else report.problem}"]
        self.progress.stage(stage.name, f"building, because {'; '.join(why)}")
        self.ledger.begin(stage.name)
        build_seconds = self._build(stage)
        report, check_seconds = self._check(stage)
        self._must_pass(stage, report)
        self.ledger.finish(stage.name, parts, build_seconds, check_seconds)
        return True, report

    def _build(self, stage: Stage) -> float:
        began = time.monotonic()
        play(stage, self.site.path, self.site.artifacts, self.logs, self.children, self.progress, stage.name, self.secrets)
        return time.monotonic() - began

    def _check(self, stage: Stage) -> tuple[checks.Report, float]:
        self.progress.stage(stage.name, "checking")
        began = time.monotonic()
        report = checks.run(stage, self.site.path, self.logs, self.children, self.is_disruptive)
        return report, time.monotonic() - began

    def _must_pass(self, stage: Stage, report: checks.Report) -> checks.Report:
        if not report.is_good:
            raise explain.StageFailed(explain.check_failure(stage.name, report), self.secrets)
        return report


def play(
    stage: Stage,
    inventory: Path,
    artifacts: Path,
    logs: Path,
    children: child.Children,
    view: progress.Progress,
    row: str,
    secrets: tuple[str, ...] = (),
    limit: str = "",
) -> None:
    """Runs the playbook of a stage, shown in a row of the view; of the machines of `limit` alone where there is one.

    Raises StageFailed with the first cause where it does not end well.
    """
    logs.mkdir(parents=True, exist_ok=True)
    log, happened = logs / f"{stage.name}.log", logs / f"{stage.name}.events"
    happened.write_text("")
    feed = events.Feed(happened)

    def show() -> None:
        for event in feed.new():
            view.event(row, event)

    # Of a machine played by another, or just made again, no fact of before is true any more.
    facts = logs / "facts" if limit else artifacts / "facts"
    env = playbook_environment(artifacts, happened, facts)
    code = children.run(playbook_command(inventory, stage, *(["--limit", limit] if limit else [])), env, log, show)
    if code:
        raise explain.StageFailed(explain.playbook_failure(stage.name, events.read(happened), log, code), secrets)


def up(
    site_path: Path,
    *,
    to: str | None = None,
    only: str | None = None,
    from_: str | None = None,
    force: bool = False,
    fail_fast: bool = False,
) -> int:
    """Builds a site, or the chosen stages of it; returns the exit code. Whatever happens, the same command continues."""
    options = Options(site_path, to, only, from_, force, fail_fast)
    site = sites.load(site_path)
    chosen = stages.select(to, only, from_, stages.of(site))
    for warning in site_warnings.of(site):
        print(warning)
    with signals(), lock.held(site.artifacts, print):
        if site.secrets == "generated":
            secrets.generate_missing(site)
        ensure_key(site)
        ca.ensure(authority(site), site.name)
        known = secrets.read(site.directory)
        book = ledger.Ledger(site.artifacts / "ledger.json", print)
        _refuse_missing_needs(chosen, set(stages.STAGES) - set(stages.of(site)), book)
        platforms.prepare(site, print)
        return _go(site, chosen, options, book, inventories.build(site, known), tuple(known.values()))


def verify(
    site_path: Path, stage: str | None = None, *, disruptive: bool = False, yes: bool = False, ask: Callable[[str], str] = input
) -> int:
    """Runs the checks of one stage or of all, and changes nothing; returns the exit code.

    With `disruptive` also those that disturb a site (a router reboots); where that means real hardware, it asks first unless `yes`.
    """
    site = sites.load(site_path)
    chosen = stages.select(only=stage, stages=stages.of(site))
    if disruptive and not yes and not _may_disturb(site, name_of(site_path), ask):
        print("nothing was checked")
        return 1
    with signals(), lock.held(site.artifacts, print):
        known = secrets.read(site.directory)
        book = ledger.Ledger(site.artifacts / "ledger.json", print)
        options = Options(site_path, only=stage)
        return _go(site, chosen, options, book, {}, tuple(known.values()), is_check_only=True, is_disruptive=disruptive)


def _may_disturb(site: sites.Site, name: str, ask: Callable[[str], str]) -> bool:
    """Whether disruptive checks may run: on machines that are made for the site always, on hardware if the operator says so."""
    metal = [machine for machine, data in site.machines.items() if data.platform.kind == "metal"]
    if not metal:
        return True
    print(f"disruptive checks reboot routers and interfere with the network of real machines: {', '.join(metal)}")
    return consent.given("verify", name, ask, ", or leave out --disruptive")


def _go(
    site: sites.Site,
    chosen: tuple[Stage, ...],
    options: Options,
    book: ledger.Ledger,
    inventory: Mapping[str, Any],
    known: tuple[str, ...],
    is_check_only: bool = False,
    is_disruptive: bool = False,
) -> int:
    children = child.Children()
    last = {name: entry.build_seconds + entry.check_seconds for name, entry in book.entries.items()}
    began = time.monotonic()
    command = _verify_command(options, is_disruptive) if is_check_only else options.resume_command()
    try:
        with progress.make([stage.name for stage in chosen], last) as view:
            job = Job(site, inventory, known, book, view, children, options.force, is_check_only, is_disruptive)
            results = schedule.run(
                chosen, job.work, fail_fast=options.fail_fast, at_once=at_once(site), stop=children.stop, ended=view.ended
            )
    except KeyboardInterrupt:
        lock.end_leftovers(site.artifacts, print)
        print(f"\ninterrupted; nothing runs any more, and the site can be continued with:\n{command}")
        return INTERRUPTED
    finally:
        sandbox.give_back(site.directory)  # secrets.yml is beside the artifacts
    return _closing(site, results, command, time.monotonic() - began)


def at_once(site: sites.Site) -> int | None:
    """How many stages run side by side: machines that are here share this computer's processors, and a stage keeps two of them busy."""
    is_here = any(machine.platform.kind in ("container", "vm") for machine in site.machines.values())
    return max(1, (os.cpu_count() or 1) // 2) if is_here else None


def _verify_command(options: Options, is_disruptive: bool) -> str:
    words = ["./inv", "verify", *([options.only] if options.only else []), "--site", name_of(options.site)]
    return shlex.join([*words, "--disruptive"] if is_disruptive else words)


def _closing(site: sites.Site, results: list[schedule.Result], command: str, seconds: float) -> int:
    """Says what is up, what is not and why, what is simulated; the last line of a failed run is the command that continues."""
    print()
    for result in results:
        print(f"{progress.MARKS[result.state][0]} {result.stage}: {progress.outcome(result)} ({progress.duration(result.seconds)})")
    for line in [*left_out(site, results), *simulated(site)]:
        print(line)
    print(f"{sum(result.state == 'up' for result in results)} of {len(results)} stages up in {progress.duration(seconds)}")
    if all(result.state == "up" for result in results):
        return 0
    for result in results:
        if result.state == "failed":
            print(f"\n{result.error}")
    print(f"\ncontinue with:\n{command}")
    return 1


def left_out(site: sites.Site, results: list[schedule.Result]) -> list[str]:
    """What was not checked, and the command that checks it."""
    count = sum(result.left_out for result in results)
    command = shlex.join(["./inv", "verify", "--site", name_of(site.path), "--disruptive"])
    return [f"left out: {count} checks that disturb a site (such as a reboot of the router); to run them: {command}"] if count else []


def simulated(site: sites.Site) -> list[str]:
    """What of a site is not the real thing: what it declares, and the backend its machines run on."""
    lines = [f"simulated: {item.what}, by {item.by}" for item in site.simulated]
    for kind in ("container", "vm"):
        if count := sum(machine.platform.kind == kind for machine in site.machines.values()):
            lines.append(f"simulated: {count} machine{'s' if count > 1 else ''}, by {platforms.platform(kind).backend()} (podman)")
    if options := site_engine.of_inventory(find.inventory(site)):
        count = sum(machine.platform.kind == "ovirt" for machine in site.machines.values())
        lines.append(f"simulated: oVirt with {count} machine{'s' if count > 1 else ''}, by {site_engine.described(options)}")
    return lines


def playbook_command(site_path: Path, stage: Stage, *more: str) -> list[str]:
    """The command that builds a stage. The file and not its folder: of a folder Ansible would read the artifacts too."""
    return ["ansible-playbook", "-i", str(site_path), str(stage.playbook), *more]


def playbook_environment(artifacts: Path, happened: Path, kept: Path | None = None) -> dict[str, str]:
    """What ansible-playbook needs to find our settings and to write down what happens."""
    ours = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "lab/plugins/callback")}
    # A resumed run need not ask again; a day is Ansible's own example of how long facts hold.
    facts = {"CONNECTION": str(kept or artifacts / "facts"), "TIMEOUT": "86400"}
    ours |= {"ANSIBLE_CACHE_PLUGIN": "jsonfile"} | {f"ANSIBLE_CACHE_PLUGIN_{key}": value for key, value in facts.items()}
    return child.environment(
        **ours, ANSIBLE_CALLBACKS_ENABLED="strata_progress", ANSIBLE_NOCOLOR="1", STRATA_EVENTS=str(happened), **{lock.MARK: str(artifacts)}
    )


def name_of(site_path: Path) -> str:
    """How the site is named on the command line: by its folder under inventories, or else by its file."""
    path = site_path.resolve()
    return path.parent.name if path.parent.parent == ROOT / "inventories" else str(site_path)


def ensure_key(site: sites.Site) -> None:
    """Makes the SSH key of the site where it is not there yet."""
    key = site.directory / site.access.private_key
    if key.exists():
        return
    key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"strata {site.name}", "-f", str(key)]
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise LabError("ssh-keygen: is not installed; fix: apt-get install openssh-client") from None
    except subprocess.CalledProcessError as error:
        raise LabError(f"{key}: cannot be made: {error.stderr.strip()}") from error


def _refuse_missing_needs(chosen: tuple[Stage, ...], absent: set[Stage], book: ledger.Ledger) -> None:
    names = {stage.name for stage in chosen}
    for stage in chosen:
        for need in set(stage.needs) - {other.name for other in absent}:
            entry = book.get(need)
            if need not in names and not (entry and entry.is_finished):
                raise LabError(f"stage {stage.name}: needs {need}, which is not up; fix: ./inv up --to {stage.name} builds both")


@contextmanager
def signals() -> Iterator[None]:
    """A polite end (SIGTERM, a closed terminal) works like Ctrl-C: children end, the ledger stays whole.

    SIGINT is among them because a shell starts background commands with it ignored, and the lock's message asks for `kill -INT`.
    """

    def interrupt(number: int, frame: object) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

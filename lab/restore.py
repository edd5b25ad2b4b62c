"""Brings a lost machine back with its data: made again, built by its stages, its newest backups unpacked, proven by its own checks."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lab import bringback, consent, evidence, ledger, lock, platforms, private_file, progress, remote, run, sandbox, secrets, sources
from lab import inventory as inventories
from lab import site as sites
from lab.bringback import Hands
from lab.errors import InputError, LabError, suggest
from lab.explain import StageFailed
from lab.schedule import Result
from lab.sources import Source
from lab.stages import Stage

FOLDER = "restore"  # in the artifacts
TOO_OLD = timedelta(hours=24)  # an unfinished restore is not continued after that: the machine may have been in use since

Say = Callable[[str], None]


@dataclass(frozen=True)
class Step:
    """One step of a restore: the method of Restore that does it, and with what."""

    do: str
    what: str = ""

    def __str__(self) -> str:
        """As the state has it."""
        return f"{self.do} {self.what}".strip()


@dataclass
class State:
    """How far a restore has come, so that the same command continues it, with the same snapshots."""

    machine: str
    started: str
    snapshots: dict[str, str]  # of each source
    times: dict[str, str]
    done: list[str] = field(default_factory=list)
    built: dict[str, ledger.Fingerprint] = field(default_factory=dict)  # of the stages that were up to date when it began


@dataclass(frozen=True)
class Condition:
    """What is left of a machine."""

    exists: bool
    lost: str  # why it is lost; empty where it is not
    advice: str = ""  # what mends it without a restore


def plan(stages: tuple[str, ...], names: tuple[str, ...], *, exists: bool, has_backup: bool) -> tuple[Step, ...]:
    """What a restore does, as data.

    What still exists is removed only after the backups were read to their end. Stages are built again with the data there: what roles
    keep among the data has to match the new machine. It is proven before it backs up again.
    """
    read = tuple(Step("read", name) for name in names) if exists else ()
    build = tuple(Step("build", name) for name in ("network", *stages))
    back = tuple(Step("bring_back", name) for name in names)
    adopt = tuple(Step("adopt", name) for name in stages)
    copy = (Step("build_backup"), *(Step("back_up", name) for name in names)) if has_backup else ()
    return (*read, Step("remove"), *build, *back, *adopt, *(Step("check", name) for name in stages), *copy)


def refuse(site: sites.Site, machine: str, own: Mapping[str, Source]) -> None:
    """Raises InputError for a machine that no restore is for, with what helps instead."""
    if machine not in site.machines:
        raise InputError(f"machine {machine}: site {site.name} has no such machine; fix: {suggest(machine, site.machines)}")
    up = shlex.join(["./inv", "up", "--site", run.name_of(site.path)])
    if "backup" in site.machines[machine].groups:
        raise InputError(
            f"machine {machine}: keeps the backups, so it cannot be brought back from them; fix: `{up}` builds it anew. "
            f"Copy its repositories back to /srv/backup first if you have them elsewhere; if not, back up again at once: "
            f"on each machine, systemctl start 'backup@*.service'"
        )
    if not own:
        raise InputError(f"machine {machine}: nothing on it is backed up, so there is nothing to bring back; fix: `{up}` makes it again")


def restore(
    site_path: Path, machine: str, *, yes: bool = False, force: bool = False, say: Say = print, ask: Callable[[str], str] = input
) -> int:
    """Restores one machine; returns the exit code. Whatever happens, the same command continues."""
    site = sites.load(site_path)
    known = secrets.read(site.directory)
    inventory = inventories.build(site, known)
    own = {name: source for name, source in sources.published(inventory).items() if source.machine == machine}
    refuse(site, machine, own)
    command = shlex.join(["./inv", "restore", machine, "--site", run.name_of(site_path), *(["--yes"] if yes else [])])
    with run.signals(), lock.held(site.artifacts, say):
        try:
            with progress.make([machine], {machine: _last_seconds(site, machine)}) as view:
                folder = site.artifacts / FOLDER
                hands = Hands(site, inventory, bringback.keeper(inventory), site.path, folder, view, machine, secrets=tuple(known.values()))
                work = Restore(hands, machine, own, folder / f"{machine}.json")
                condition = work.prepare(force)
            if not _may(work.warning(condition), yes, ask, say, run.name_of(site_path)):
                return 1
            with progress.make([machine], {machine: _last_seconds(site, machine)}) as view:
                hands.view = view
                passed = work.go(condition)
        except KeyboardInterrupt:
            lock.end_leftovers(site.artifacts, say)
            say(f"\ninterrupted; nothing runs any more, and the restore is continued with:\n{command}")
            return run.INTERRUPTED
        except InputError:
            raise
        except LabError as error:
            say(f"\n{error}\n\ncontinue with:\n{command}")
            return error.exit_code
        finally:
            sandbox.give_back(site.directory)
    say(f"{machine}: is back with {', '.join(own)}; {passed} checks passed, and it is backed up again")
    return 0


@dataclass
class Restore:
    """One restore of one machine."""

    hands: Hands
    machine: str
    own: Mapping[str, Source]
    file: Path
    state: State = field(default_factory=lambda: State("", "", {}, {}))
    passed: int = 0

    @property
    def site(self) -> sites.Site:
        """The site."""
        return self.hands.site

    @property
    def stages(self) -> dict[str, Stage]:
        """The stages that make the machine what it is, by name."""
        return {stage.name: stage for stage in bringback.own_stages(self.site, self.machine)}

    def prepare(self, force: bool) -> Condition:
        """Everything that can be found out before anything is changed: what is left, what there is to bring back, or why not."""
        self.hands.say("asking the router and the backup machine")
        lock.end_connections(self.site.artifacts)  # one that is kept may lead to a machine that is gone
        router = self.site.network.router
        if why := remote.answers(router, self.hands.variables(router)):
            raise LabError(f"{why}; nothing can be said of {self.machine} before its router answers; fix: ./inv up --only network")
        found = bringback.report(self.hands.inventory)
        newest = {name: sources.newest(source, found) for name, source in self.own.items()}
        unfinished = read(self.file)
        if unfinished and set(unfinished.snapshots) == set(self.own):
            refuse_old(unfinished, self.file, force)
            self.state = unfinished
            if "build network" in self.state.done and not self._answers_again():
                self.state.done = []  # what was made of it is gone again
            return Condition(
                exists="remove" not in self.state.done, lost=f"its restore, begun {ledger.age(self.state.started)}, is unfinished"
            )
        condition = self.condition()
        if not condition.lost and not force:
            raise InputError(
                f"machine {self.machine}: {condition.advice or 'is healthy: it answers and all its checks pass'}"
                "; a restore would replace what is on it by its newest backup; fix: add --force if that is what you want"
            )
        snapshots = {name: snapshot.snapshot for name, snapshot in newest.items()}
        self.state = State(self.machine, evidence.now(), snapshots, {name: snapshot.time for name, snapshot in newest.items()})
        return condition

    def condition(self) -> Condition:
        """Whether the machine is lost: its platform does not have it, it does not answer, or its checks fail."""
        self.hands.say("looking what is left of it")
        variables = self.hands.variables(self.machine)
        if variables["machine_platform"] != "metal":
            backend = platforms.platform(variables["machine_platform"])
            try:
                seen = backend.ensure(self.machine, variables["machine_spec"], check=True).before
            except LabError as error:  # it is there, but not as the site wants it
                return Condition(True, str(error))
            if not seen:
                return Condition(False, "its platform does not have it")
            if seen.get("state") != "running":
                return Condition(True, "", f"is {seen.get('state')} and not lost: ./inv up starts it")
        if why := remote.answers(self.machine, variables):
            return Condition(True, why)
        for stage in self.stages.values():
            try:
                self.hands.check(stage)
            except StageFailed as error:
                return Condition(True, f"it answers, but {error.failure.what} fails")
        return Condition(True, "")

    def warning(self, condition: Condition) -> list[str]:
        """What is about to happen, for whoever has to agree."""
        taken = [f"{name} as of {time} ({ledger.age(time)})" for name, time in self.state.times.items()]
        lines = [f"{self.machine}: {condition.lost or 'is healthy'}", f"to be brought back: {', '.join(taken)}"]
        if not condition.exists:
            return lines
        if self.hands.variables(self.machine)["machine_platform"] == "metal":
            paths = [path for source in self.own.values() for path in source.paths]
            return [*lines, f"{self.machine} is on metal and not removed; replaced on it, for good: {', '.join(paths)}"]
        return [*lines, f"removed for good, with all that is newer than its backup: machine {self.machine}"]

    def go(self, condition: Condition) -> int:
        """Every step that is not done yet; returns how many checks passed."""
        began = time.monotonic()
        book = ledger.Ledger(self.site.artifacts / "ledger.json", self.hands.view.say)
        if not self.state.done:
            now = {name: ledger.fingerprint(stage, self.hands.inventory) for name, stage in self.stages.items()}
            self.state.built = {name: fingerprint for name, fingerprint in now.items() if not book.reasons(name, fingerprint)}
        has_backup = bool(bringback.always(self.site, "backup"))
        try:
            for step in plan(tuple(self.stages), tuple(self.own), exists=condition.exists, has_backup=has_backup):
                if str(step) not in self.state.done:
                    getattr(self, step.do)(*([step.what] if step.what else []))
                if step.do != "check":
                    self._note(step)
        except LabError as error:
            self._record(f"{error}")
            words = f"failed: {str(error).splitlines()[0]}"
            self.hands.view.ended(Result(self.machine, "failed", time.monotonic() - began, words=words))
            raise
        book = ledger.Ledger(self.site.artifacts / "ledger.json", self.hands.view.say)  # with what `remove` noted
        for name, fingerprint in self.state.built.items():
            if entry := book.get(name):
                book.finish(name, fingerprint, entry.build_seconds, entry.check_seconds)
        self._record("")
        self.file.unlink(missing_ok=True)
        words = f"is back: {self.passed} checks passed"
        self.hands.view.ended(Result(self.machine, "up", time.monotonic() - began, words=words))
        return self.passed

    def read(self, source: str) -> None:
        """Before anything is destroyed: the backup is whole."""
        self.hands.say(f"reading the backup of {source} to its end, before anything is removed")
        self.hands.streams.read(self.machine, self.state.snapshots[source])

    def remove(self) -> None:
        """What is left of the machine; one of metal stays. From here on its stages count as unfinished."""
        self.hands.say("removing what is left of it")
        book = ledger.Ledger(self.site.artifacts / "ledger.json", self.hands.view.say)
        for name in self.stages:
            book.begin(name)
        variables = self.hands.variables(self.machine)
        platforms.platform(variables["machine_platform"]).remove(self.machine, variables["machine_spec"])
        for folder in (self.site.artifacts / "facts", self.hands.folder / "facts"):
            for fact in folder.glob(f"*{self.machine}"):
                fact.unlink()

    def build(self, stage: str) -> None:
        """A stage of the machine, or what all machines have."""
        found = self.stages | {one.name: one for one in bringback.always(self.site, stage)}
        self.hands.build(found[stage], self.machine)

    def bring_back(self, source: str) -> None:
        """Its data."""
        self.hands.bring_back(self.own[source], self.state.snapshots[source])

    def adopt(self, stage: str) -> None:
        """A stage once more, now with the data."""
        self.build(stage)

    def check(self, stage: str) -> None:
        """The checks that say whether the stage is up."""
        self.passed += self.hands.check(self.stages[stage]).passed

    def build_backup(self) -> None:
        """A machine made again has a new key for its backups, which the backup machine has to learn."""
        for stage in bringback.always(self.site, "backup"):
            self.hands.build(stage, f"{self.machine},{self.hands.keeper[0]}")

    def back_up(self, source: str) -> None:
        """A first backup of the new machine: nobody should find out at night that it has none."""
        self.hands.say(f"backing up {source}")
        remote.run(self.machine, self.hands.variables(self.machine), "systemctl", "start", f"backup@{source}.service", limit=3600)

    def _answers_again(self) -> bool:
        """Whether a half restored machine answers; its host key may have come back with the data when we were cut off."""
        variables = self.hands.variables(self.machine)
        if not remote.answers(self.machine, variables):
            return True
        backend = platforms.platform(variables["machine_platform"])
        try:
            key = backend.ensure(self.machine, variables["machine_spec"], check=True).facts.get("host_key")
        except LabError:
            return False
        if key:
            remote.remember_host_key(Path(variables["machine_known_hosts"]), str(variables["ansible_host"]), key)
        return not remote.answers(self.machine, variables)

    def _note(self, step: Step) -> None:
        if str(step) not in self.state.done:
            self.state.done.append(str(step))
        private_file.write(self.file, json.dumps(asdict(self.state), indent=2) + "\n")

    def _record(self, problem: str) -> None:
        seconds = (datetime.now(UTC) - datetime.fromisoformat(self.state.started)).total_seconds()
        for name, source in self.own.items():
            entry = evidence.Evidence(
                source=name,
                machine=self.machine,
                how="restore",
                proof=sources.proof(source, self.hands.inventory),
                snapshot=self.state.snapshots[name],
                snapshot_time=self.state.times[name],
                started=self.state.started,
                rto_seconds=round(seconds, 1),
                rpo_seconds=evidence.rpo(self.state.times[name], self.state.started),
                passed=self.passed,
                left_out=0,
                result="failed" if problem else "proven",
                problem=problem,
            )
            evidence.add(self.site.artifacts, entry, self.hands.view.say)


def read(file: Path) -> State | None:
    """The state of an unfinished restore; none where there is no such restore.

    Raises LabError where the file is broken: beginning anew could take a newer and emptier backup.
    """
    try:
        data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        state = State(**data)
        datetime.fromisoformat(state.started)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise LabError(f"{file}: is not the state of a restore ({error}); fix: remove it, and the restore begins anew") from None
    return state


def refuse_old(state: State, file: Path, force: bool) -> None:
    """Raises InputError where an unfinished restore is so old that continuing it might replace newer data."""
    if force or datetime.now(UTC) - datetime.fromisoformat(state.started) < TOO_OLD:
        return
    raise InputError(
        f"machine {state.machine}: a restore of it was begun {ledger.age(state.started)} and never finished; to continue it would replace "
        f"what is on it now; fix: add --force to continue it, or remove {file} to begin anew with the newest backup"
    )


def unfinished(site: sites.Site) -> list[str]:
    """A line for each machine whose restore was cut off."""
    name = run.name_of(site.path)
    return [
        f"restore of {file.stem}: unfinished; continue with: {shlex.join(['./inv', 'restore', file.stem, '--site', name])}"
        for file in sorted((site.artifacts / FOLDER).glob("*.json"))
    ]


def forget(site: sites.Site) -> None:
    """A site that was taken down has nothing to continue."""
    for file in (site.artifacts / FOLDER).glob("*.json"):
        file.unlink()


def _may(lines: list[str], yes: bool, ask: Callable[[str], str], say: Say, name: str) -> bool:
    for line in lines:
        say(line)
    if yes or consent.given("restore", name, ask):
        return True
    say("nothing was changed")
    return False


def _last_seconds(site: sites.Site, machine: str) -> float:
    found = [entry for entry in evidence.read(site.artifacts) if (entry.machine, entry.how, entry.result) == (machine, "restore", "proven")]
    return found[-1].rto_seconds if found else 0.0

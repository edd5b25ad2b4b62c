"""The test of everything: the rehearsal is begun, killed, continued, checked, disturbed, left alone and removed, and leaves nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yaml

from lab import child, events, find, ledger, lock, playbook, remote, sources
from lab import site as sites
from lab.errors import InputError, LabError
from lab.inventory.ovirt import folder
from lab.platforms.podman import remove_container
from lab.progress import duration
from lab.stages import ROOT, STAGES, Stage, order

TASKS_BEFORE_KILL = 20  # then the baseline has written files whose services have not been told yet: what a kill loses most easily
KILL_LIMIT_SECONDS = 600.0
TWIN = (("name: rehearsal\n", "name: rehearsal-test\n"), ("10.64.", "10.65."), ("10.91.", "10.93."))
SETTLE_SECONDS = 20.0
MARKER = "whole-stack-test"  # a file among the data of a machine that is lost and brought back
FOLDER = Path("/run/strata-rehearsal-test")  # one for the computer, whichever clone tests: the machines' names are the computer's too

Traces = dict[str, set[str]]


class Rehearsal:
    """The phases, in turn; each raises LabError where it finds something else than it has to."""

    def __init__(self, site_path: Path) -> None:
        """Takes note of what there is before the first phase."""
        self.site = sites.load(site_path)
        self.name = str(site_path)
        self.before = traces(self.site)
        self.built: dict[str, ledger.Entry] = {}

    def phases(self) -> list[tuple[str, Callable[[], None]]]:
        """Each phase by its name."""
        backups = [
            ("a drill restores every source", lambda: self.succeed("drill")),
            ("a lost machine comes back with its data", self.a_lost_machine_comes_back),
        ]
        return [
            ("up continues after kill -9 and builds the site", self.up_continues_after_a_kill),
            ("verify passes, and so do checks that disturb", lambda: self.succeed("verify", "--disruptive", "--yes")),
            ("up again runs no playbook", self.up_again_builds_nothing),
            *(backups if self.site.backup else []),
            ("down removes the site", lambda: self.succeed("down", "--yes")),
            ("nothing is left", self.nothing_is_left),
        ]

    def up_continues_after_a_kill(self) -> None:
        """Kills the first run in the middle of its first stage; the next builds the site, and keeps what the ledger says about it."""
        stage = order()[0].name
        happened = self.site.artifacts / "logs" / f"{stage}.events"
        with subprocess.Popen(_command("up", "--site", self.name), cwd=ROOT, env=child.environment(CI="1")) as run:
            try:
                self._wait_for_tasks(run, happened)
            finally:
                run.send_signal(signal.SIGKILL)
        entry = self._entries().get(stage)
        if entry is None or entry.is_finished:
            raise LabError(f"stage {stage}: was killed half-way, but the ledger does not say so")
        self.succeed("up")
        self.built = self._entries()
        if unfinished := [name for name, entry in self.built.items() if not entry.is_finished]:
            raise LabError(f"stages {', '.join(unfinished)}: up ended well, but the ledger says that they are not finished")

    def up_again_builds_nothing(self) -> None:
        """An unchanged site is checked and not built."""
        self.succeed("up")
        for name, entry in self._entries().items():
            if entry.built_at != self.built[name].built_at:
                raise LabError(f"stage {name}: its playbook ran again though nothing changed")

    def a_lost_machine_comes_back(self) -> None:
        """A machine with data disappears behind everybody's back, and is brought back; a healthy one is not restored by chance."""
        name = self.machine_to_lose()
        inventory = find.inventory(self.site)
        source = next(source for source in sources.published(inventory).values() if source.machine == name)
        machine = (name, inventory["_meta"]["hostvars"][name])
        if self._code("restore", name, "--yes") != InputError.exit_code:
            raise LabError(f"./inv restore {name} did not refuse a machine that is healthy")
        # Checks pass on an empty service too: this is what only a backup can bring back.
        marker, text = f"{source.paths[0]}/{MARKER}", ledger.now()
        remote.run(*machine, "tee", marker, given=text)
        remote.run(*machine, "systemctl", "start", f"backup@{source.name}.service")
        remove_container(f"{self.site.name}-{name}")
        self.succeed("restore", name, "--yes")
        if remote.run(*machine, "cat", marker) != text:
            raise LabError(f"machine {name}: {marker} came back with another content")
        remote.run(*machine, "rm", marker)
        self.succeed("verify", "backup")  # the machine's own stages were checked by the restore

    def machine_to_lose(self) -> str:
        """A container with data that a drill and a restore prove by checks; the git server where there is one, else the NAS."""
        for group in ("git", "nas"):
            for name, machine in self.site.machines.items():
                if group in machine.groups and machine.platform.kind != "metal" and getattr(self.site, group) is not None:
                    return name
        raise LabError(f"{self.site.path}: backs up no machine that could be lost; fix: give it a section `git:` or `nas:`")

    def nothing_is_left(self) -> None:
        """Compares with what there was before the first phase."""
        limit = time.monotonic() + SETTLE_SECONDS
        while (left := _more(self.before, traces(self.site))) and time.monotonic() < limit:
            time.sleep(1)
        if left:
            raise LabError("\n".join(f"left behind: {kind}: {', '.join(sorted(found))}" for kind, found in left.items()))

    def succeed(self, verb: str, *more: str) -> None:
        """Runs a verb and expects success."""
        if code := self._code(verb, *more):
            raise LabError(f"./inv {verb} {' '.join(more)} --site {self.name} ended with code {code}")

    def _code(self, verb: str, *more: str) -> int:
        argv = _command(verb, *more, "--site", self.name)
        return subprocess.run(argv, cwd=ROOT, env=child.environment(CI="1"), check=False).returncode

    def _wait_for_tasks(self, run: subprocess.Popen[bytes], happened: Path) -> None:
        limit = time.monotonic() + KILL_LIMIT_SECONDS
        while sum(event["event"] == "task" for event in events.read(happened)) < TASKS_BEFORE_KILL:
            if run.poll() is not None:
                raise LabError(
                    f"up ended with code {run.returncode} before {TASKS_BEFORE_KILL} tasks had begun, so nothing could be killed"
                )
            if time.monotonic() > limit:
                raise LabError(f"up did not begin {TASKS_BEFORE_KILL} tasks in {KILL_LIMIT_SECONDS:.0f} s")
            time.sleep(0.1)

    def _entries(self) -> dict[str, ledger.Entry]:
        return ledger.Ledger(self.site.artifacts / "ledger.json", print).entries


def run(left_out: Sequence[Stage] = ()) -> list[bool]:
    """Runs the phases on a site of their own and says how each ended; whatever happens, the machines are removed at the end.

    The site is the rehearsal's, but for stages that are left out. Raises LabError where another such test is at work on this computer.
    """
    with lock.held(FOLDER):
        path = twin(find.site(), FOLDER, left_out)
        remove_leftovers(path)
        results = _run(path)
        shutil.rmtree(FOLDER)
    return results


def twin(original: Path, folder: Path, left_out: Sequence[Stage] = ()) -> Path:
    """The same site under another name and in other ranges, so that the operator's own rehearsal may stand beside it."""
    text = original.read_text(encoding="utf-8")
    for ours, other in TWIN:
        if ours not in text:
            raise LabError(
                f"{original}: has no {ours!r}, so the test's own site cannot be made from it; fix: bring TWIN in {__file__} up to date"
            )
        text = text.replace(ours, other)
    path = folder / "site.yml"
    path.write_text(without(text, left_out) if left_out else text, encoding="utf-8")
    return path


def without(text: str, left_out: Sequence[Stage]) -> str:
    """A site without the sections of some stages, the machines of their own groups, and further names of these."""
    site = yaml.safe_load(text)
    others = [stage for stage in STAGES if stage not in left_out]
    own = _groups(left_out) - _groups(others)
    gone = {name for name, machine in site["machines"].items() if own.intersection(machine["groups"])}
    for stage in left_out:
        site.pop(stage.name, None)
    site["machines"] = {name: machine for name, machine in site["machines"].items() if name not in gone}
    site["network"]["records"] = [record for record in site["network"]["records"] if record.get("machine") not in gone]
    return yaml.safe_dump(site, sort_keys=False)


def _groups(of: Sequence[Stage]) -> set[str]:
    return {group for stage in of for group in playbook.groups(stage.playbook)}


def remove_leftovers(path: Path) -> None:
    """Removes what a test that was killed left standing, by the same verb that would have removed it then, and what it knew."""
    site = sites.load(path)
    ours = {f"{site.name}-{machine}" for machine in site.machines}
    left = ours & _lines("podman", "ps", "--all", "--format", "{{.Names}}")
    if left or site.artifacts.exists():
        print(f"removing what a killed test left: {', '.join(sorted(left)) or site.artifacts}", flush=True)
        _take_down(str(path))
        shutil.rmtree(site.artifacts, ignore_errors=True)


def _run(path: Path) -> list[bool]:
    test = Rehearsal(path)
    results: list[bool] = []
    try:
        for name, phase in test.phases():
            print(f"\n=== {name}", flush=True)
            began = time.monotonic()
            results.append(_passes(name, phase))
            print(f"=== {name}: {'passed' if results[-1] else 'failed'} ({duration(time.monotonic() - began)})", flush=True)
            if not results[0]:
                break  # a site that cannot be built says all there is to say
    finally:
        if not all(results) or len(results) < len(test.phases()):
            _take_down(test.name)
    return results


def _take_down(name: str) -> None:
    code = subprocess.run(_command("down", "--site", name, "--yes"), cwd=ROOT, env=child.environment(CI="1"), check=False).returncode
    if code:
        raise LabError(f"./inv down --site {name} ended with code {code}; fix: its own message is above")


def traces(site: sites.Site) -> Traces:
    """What a rehearsal could leave on this computer. Other sites' machines may come and go beside it."""
    ours, containers = f"{site.name}-", _lines("podman", "ps", "--all", "--format", "{{.Names}}")
    return {
        "containers": {name for name in containers if name.startswith(ours)},
        "networks": {name for name in _lines("podman", "network", "ls", "--format", "{{.Name}}") if name.startswith(ours)},
        "mounts": _mounts_besides({name for name in containers if not name.startswith(ours)}),
        "processes": set(_processes(site)),
    }


def _mounts_besides(containers: set[str]) -> set[str]:
    """Where something is mounted, but for what these containers have; that gets other names with each of their starts."""
    mounted = {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    words = "{{.GraphDriver.Data.MergedDir}} {{.NetworkSettings.SandboxKey}} {{.StaticDir}}"
    theirs = tuple(_lines("podman", "container", "inspect", "--format", words, *sorted(containers))) if containers else ()
    return {place for place in mounted if not place.startswith(theirs)}


def _more(before: Traces, after: Traces) -> Traces:
    return {kind: found for kind in before if (found := after[kind] - before[kind])}


def _processes(site: sites.Site) -> Iterator[str]:
    """The site's own processes: those with its mark, its simulated engine, and the monitors of its containers. Others come and go."""
    marked = lock.marked(site.artifacts)
    names = {f"{site.name}-{machine}".encode() for machine in site.machines} | {str(folder(site)).encode()}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            words = lock.words(entry / "cmdline")
            if int(entry.name) in marked or names & set(words):
                yield f"{entry.name} {b' '.join(words[:3]).decode(errors='replace')}"


def _passes(name: str, phase: Callable[[], None]) -> bool:
    try:
        phase()
    except LabError as error:
        print(f"{name}: {error}", flush=True)
        return False
    return True


def _lines(*argv: str) -> set[str]:
    try:
        return set(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split())
    except FileNotFoundError:
        raise LabError(f"{argv[0]}: is not installed; fix: ./inv doctor says what is missing") from None
    except subprocess.CalledProcessError as error:
        raise LabError(f"{' '.join(argv)}: ended with code {error.returncode}: {error.stderr.strip()}") from error


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "invoke", *words]

"""The drill: the newest backup of each source is brought back onto a throwaway machine, and has to prove itself there."""

from __future__ import annotations

import functools
import hashlib
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import bringback, ca, evidence, lock, overlay, platforms, progress, remote, run, sandbox, secrets, sources
from lab import inventory as inventories
from lab import site as sites
from lab.bringback import Hands
from lab.errors import InputError, LabError
from lab.inventory import SPARE
from lab.inventory.backup import DUMPS
from lab.inventory.common import authority
from lab.schedule import Result
from lab.sources import Proof, Snapshot, Source
from lab.wait import wait_for

FOLDER = "drill"  # in the artifacts
BELOW = "/srv/drill"  # where files are brought back to; the machine goes afterwards, and this with it
ANSWER_SECONDS = 120.0


# Counts what the dump says there is, and what there is then; last of all the administrator, and the projects of people and services.
LOAD = """
apt-get -qq update
export DEBIAN_FRONTEND=noninteractive
apt-get -qq -o Dpkg::Use-Pty=0 install --no-install-recommends mariadb-server >/dev/null
systemctl start mariadb
mariadb < "$1"
count() { mariadb --batch --skip-column-names -e "$1"; }
echo "dumped=$(grep -c '^CREATE DATABASE' "$1")"
echo "loaded=$(count "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name NOT IN
  ('mysql', 'sys', 'information_schema', 'performance_schema')")"
echo "broken=$(mariadb-check --all-databases --check | grep -c -v -E '(OK|:)$' || true)"
echo "admins=$(count "SELECT COUNT(*) FROM keystone.local_user WHERE name = 'admin'")"
echo "projects=$(count "SELECT COUNT(*) FROM keystone.project WHERE name IN ('admin', 'service')")"
"""


@dataclass(frozen=True)
class Step:
    """One step of a drill: the method of Drill that does it, and with what."""

    do: str
    what: str = ""


@dataclass(frozen=True)
class Proven:
    """What a drill has proven."""

    passed: int = 0
    left_out: int = 0

    def __add__(self, other: Proven) -> Proven:
        """Both."""
        return Proven(self.passed + other.passed, self.left_out + other.left_out)


def plan(proof: Proof, stages: tuple[str, ...]) -> tuple[Step, ...]:
    """What a drill does with a source, as data; `stages` are those that make its machine what it is."""
    if proof == "service":
        build = [Step("build", name) for name in ("network", *stages)]
        # Built again with the data there: what the roles keep among the data has to match the machine, not the one that was lost.
        again = [Step("build", name) for name in stages]
        return (*build, Step("bring_back"), *again, *(Step("check", name) for name in stages))
    if proof == "databases":
        # A server of databases is installed, for which the machine has to know where packages come from.
        return (Step("build", "network"), Step("unpack"), Step("compare"), Step("load"))
    files = (Step("make"), Step("unpack"), Step("compare"))
    return (*files, Step("compare_authority") if proof == "authority" else Step("check_owners"))


def drill(site_path: Path, source: str | None = None) -> int:
    """Drills one source, or all of a site in turn; returns the exit code, 1 where any was not proven."""
    site = sites.load(site_path)
    spare = spare_of(site)
    with run.signals(), lock.held(site.artifacts, print):
        known = secrets.read(site.directory)
        inventory = inventories.build(site, known)
        published = sources.published(inventory)
        chosen = [sources.get(name, published) for name in ([source] if source else published or [""])]
        command = shlex.join(["./inv", "drill", *([source] if source else []), "--site", run.name_of(site_path)])
        try:
            newest = bringback.report(inventory)
            with progress.make([one.name for one in chosen], _last_seconds(site)) as view:
                work = Drill(site, inventory, spare, view, tuple(known.values()))
                done = [work.run(asked, newest) for asked in chosen]
        except KeyboardInterrupt:
            lock.end_leftovers(site.artifacts, print)
            print(f"\ninterrupted; nothing of the drill is left; to begin again:\n{command}")
            return run.INTERRUPTED
        finally:
            sandbox.give_back(site.directory)
        return closing(done, site, spare, command)


def spare_of(site: sites.Site) -> str:
    """The machine that stands in for lost ones; raises InputError where the site has none."""
    found = [name for name, machine in site.machines.items() if SPARE in machine.groups]
    if not found:
        subnet = next(iter(site.network.subnets))
        example = f"lifeboat: {{platform: {{kind: container}}, groups: [spare], interfaces: {{{subnet}: {{host: 99}}}}}}"
        raise InputError(f"{site.path}: there is no machine to restore onto; fix: add one of group spare to `machines`: {example}")
    return found[0]


@dataclass
class Drill:
    """One drill on one site."""

    site: sites.Site
    inventory: dict[str, Any]
    spare: str
    view: progress.Progress
    secrets: tuple[str, ...] = ()

    def run(self, source: Source, newest: Mapping[str, Snapshot]) -> evidence.Evidence:
        """Drills one source and records how it ended; an interruption is no result, and is recorded as none."""
        began, started = time.monotonic(), evidence.now()
        proof = sources.proof(source, self.inventory)
        proven, problem, snapshot = Proven(), "", None
        try:
            snapshot = sources.newest(source, newest)
            proven = self._prove(source, snapshot, proof)
        except LabError as error:
            problem = str(error)
        entry = evidence.Evidence(
            source=source.name,
            machine=source.machine,
            how="drill",
            proof=proof,
            snapshot=snapshot.snapshot if snapshot else "",
            snapshot_time=snapshot.time if snapshot else "",
            started=started,
            rto_seconds=round(time.monotonic() - began, 1),
            rpo_seconds=evidence.rpo(snapshot.time, started) if snapshot else 0.0,
            passed=proven.passed,
            left_out=proven.left_out,
            result="failed" if problem else "proven",
            problem=problem,
        )
        evidence.add(self.site.artifacts, entry, self.view.say)
        self.view.ended(Result(source.name, "failed" if problem else "up", entry.rto_seconds, words=words(entry)))
        return entry

    def _prove(self, source: Source, snapshot: Snapshot, proof: Proof) -> Proven:
        folder = self.site.artifacts / FOLDER
        played = overlay.apply(self.inventory, source.machine, self.spare) if source.machine != self.spare else self.inventory
        file = overlay.write(overlay.path_of(folder, source.machine), overlay.StandIn(self.site.path, source.machine, self.spare))
        hands = Hands(self.site, played, bringback.keeper(self.inventory), file, folder, self.view, source.name, secrets=self.secrets)
        stages = {stage.name: stage for stage in bringback.own_stages(self.site, source.machine)}
        with throwaway(hands, self.spare, self.inventory["_meta"]["hostvars"][self.spare]):
            stages |= {stage.name: stage for stage in bringback.always(self.site, "network")}
            own = tuple(name for name in stages if name != "network")
            steps = Steps(hands, source, snapshot.snapshot, stages)
            found = Proven()
            for step in plan(proof, own):
                found += getattr(steps, step.do)(*([step.what] if step.what else [])) or Proven()
            return found


@dataclass
class Steps:
    """The steps a plan may name."""

    hands: Hands
    source: Source
    snapshot: str
    stages: Mapping[str, Any]

    @property
    def below(self) -> str:
        """Where the files of the source are brought back to."""
        return f"{BELOW}/{self.source.name}"

    def build(self, stage: str) -> None:
        """A stage of the machine, on its stand-in."""
        self.hands.build(self.stages[stage], self.source.machine)

    def bring_back(self) -> Proven:
        """The data, as in a real restore; a service that would pass its checks without it too proves nothing, so it is compared."""
        self.hands.bring_back(self.source, self.snapshot, is_compared=True)
        return Proven(1)

    def check(self, stage: str) -> Proven:
        """The service's own checks, but for those that only the machine itself can pass."""
        report = self.hands.check(self.stages[stage], is_drill=True)
        return Proven(report.passed, report.left_out)

    def make(self) -> None:
        """A bare machine: files need no service to be compared."""
        self.hands.say("making the spare machine")
        machine, variables = self.source.machine, self.hands.variables(self.source.machine)
        backend = platforms.platform(variables["machine_platform"])
        key = backend.ensure(variables["machine_name"], variables["machine_spec"]).facts.get("host_key")
        if key:
            remote.remember_host_key(Path(variables["machine_known_hosts"]), str(variables["ansible_host"]), key)
        answer = functools.partial(remote.answers, machine, variables)
        wait_for(f"an answer of the spare machine in place of {machine}", answer, lambda seen: not seen, ANSWER_SECONDS)

    def unpack(self) -> None:
        """The data, into a place of their own."""
        machine = self.source.machine
        self.hands.say(f"bringing back {', '.join(self.source.paths)}")
        self.hands.on(machine, "sh", "-ec", 'rm -rf "$1" && mkdir -p -m 0700 "$1"', "sh", self.below)
        self.hands.streams.unpack(machine, self.snapshot, machine, self.hands.variables(machine), self.below)

    def compare(self) -> Proven:
        """Everything the snapshot has is there, and nothing else."""
        self.hands.compare(self.source, self.snapshot, self.below)
        return Proven(2)

    def load(self) -> Proven:
        """The dump makes whole databases of an empty server, and Keystone's has what no cloud starts without."""
        self.hands.say("loading the databases into an empty server")
        said = self.hands.on(self.source.machine, "sh", "-ec", LOAD, "sh", f"{self.below}{DUMPS}/all.sql").split()
        problem = unlike(dict(part.split("=", 1) for part in said if "=" in part))
        if problem:
            raise LabError(
                f"source {self.source.name}: {problem}; fix: `journalctl -u backup@{self.source.name}` on {self.source.machine} "
                "says how the dump was made; then back up again"
            )
        return Proven(3)

    def check_owners(self) -> Proven:
        """Every path of the source is there; where the site says whose it is, it is his."""
        expected = owners(self.source, self.hands.variables(self.source.machine))
        for pattern, wanted in expected.items():
            script = 'for path in "$1"$2; do stat --format "%u:%g %a" -- "$path"; done'
            seen = set(self.hands.on(self.source.machine, "sh", "-ec", script, "sh", self.below, pattern).splitlines())
            if wanted and seen != {wanted}:
                raise LabError(
                    f"source {self.source.name}: {pattern} came back as {', '.join(sorted(seen))}, the site says {wanted}"
                    f"; fix: ./inv up --only nas sets it on {self.source.machine}, then back up again"
                )
        return Proven(len(expected))

    def compare_authority(self) -> Proven:
        """What came back is the authority the controller has, and its key fits its certificate; no key is ever shown, only hashes."""
        folder = authority(self.hands.site)
        ca.read(folder)  # raises where the key does not fit the certificate
        script = 'find "$1" -type f -exec sha256sum -- {} +'
        lines = self.hands.on(self.source.machine, "sh", "-ec", script, "sh", self.below).splitlines()
        restored = {line.partition("  ")[2].rpartition("/")[2]: line.partition(" ")[0] for line in lines}
        for name in (ca.CERTIFICATE, ca.KEY):
            wanted = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            if restored.get(name) != wanted:
                what = "is not in the backup" if name not in restored else "is another one than the controller's"
                raise LabError(f"source {self.source.name}: {name} {what}; fix: ./inv up --only backup copies it, then back up again")
        return Proven(3)


def unlike(found: Mapping[str, str]) -> str:
    """How databases that were loaded differ from what a cloud has; empty where they do not."""
    if found.get("dumped", "0") == "0" or found.get("dumped") != found.get("loaded"):
        return f"of {found.get('dumped', '0')} databases in the dump, {found.get('loaded', '0')} could be loaded"
    if found.get("broken") != "0":
        return f"{found.get('broken', 'some')} tables are broken"
    if (found.get("admins"), found.get("projects")) != ("1", "2"):
        return "the database of Keystone lacks its administrator or the project of the services"
    return ""


def owners(source: Source, variables: Mapping[str, Any]) -> dict[str, str]:
    """Of each path of a source, `uid:gid mode` as the site says it; empty where it says nothing."""
    said = {str(data["path"]): data for data in variables.get("nas_datasets") or ()}
    return {path: _owner(said[path]) if path in said else "" for path in source.paths}


def _owner(dataset: Mapping[str, Any]) -> str:
    return f"{dataset['owner']}:{dataset['group']} {str(dataset['mode']).lstrip('0')}"


@contextmanager
def throwaway(hands: Hands, spare: str, variables: Mapping[str, Any]) -> Iterator[None]:
    """The spare machine is gone before, for a drill that was killed may have left it, and gone after, however the drill ended."""
    remove = functools.partial(_remove, hands, spare, variables)
    hands.say("removing what an earlier drill left")
    remove()
    try:
        yield
    except BaseException:
        with suppress(LabError):  # what went wrong before says more
            remove()
        raise
    remove()


def _remove(hands: Hands, spare: str, variables: Mapping[str, Any]) -> None:
    lock.end_connections(hands.site.artifacts)  # they lead to a machine that is about to go
    if variables["machine_platform"] == "metal":
        if not remote.answers(spare, variables):
            remote.run(spare, variables, "rm", "-rf", "--one-file-system", BELOW)
        return
    platforms.remove_all({spare: variables}, lambda line: None)
    for fact in (hands.folder / "facts").glob("*"):
        fact.unlink()


def words(entry: evidence.Evidence) -> str:
    """How a drill ended, in a line."""
    if entry.result == "failed":
        return f"NOT proven: {evidence.cause(entry)}"
    left_out = f", {entry.left_out} left out" if entry.left_out else ""
    return (
        f"proven: {entry.passed} checks passed{left_out}; back in {evidence.span(entry.rto_seconds)} (RTO), "
        f"the backup was {evidence.span(entry.rpo_seconds)} old (RPO)"
    )


def closing(done: list[evidence.Evidence], site: sites.Site, spare: str, command: str, say: Callable[[str], None] = print) -> int:
    """Says what is proven and what is not, and returns the exit code; the last line of a failed drill is the command that repeats it."""
    say("")
    for entry in done:
        say(f"{progress.MARKS['failed' if entry.result == 'failed' else 'up'][0]} {entry.source}: {words(entry)}")
    if any(entry.left_out for entry in done):
        say("left out: checks that disturb, and checks that a name leads to the machine itself, which no stand-in can pass")
    if site.machines[spare].platform.kind == "metal":
        say(f"{spare} is on metal and stays as it is: it holds copies of what was restored, keys too; wipe it")
    proven = sum(entry.result == "proven" for entry in done)
    say(f"{proven} of {len(done)} sources proven; kept in {site.artifacts / evidence.FILE}")
    if proven == len(done):
        return 0
    for entry in done:
        if entry.result == "failed":
            say(f"\n{entry.source}: {entry.problem}")
    say(f"\nwhen that is mended:\n{command}")
    return 1


def _last_seconds(site: sites.Site) -> dict[str, float]:
    return {entry.source: entry.rto_seconds for entry in evidence.read(site.artifacts) if entry.result == "proven"}

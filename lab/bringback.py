"""What a drill and a restore do alike: build a machine's stages, bring a source back onto it, run its stages' checks."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import checks, child, explain, find, lock, playbook, remote, run, sources, stages
from lab import site as sites
from lab.errors import InputError, LabError
from lab.progress import Progress
from lab.sources import Source
from lab.stages import Stage

# Everything below a folder goes, and the folder stays, for it may be a mount. Single files are replaced as they are unpacked: a machine
# must not be without host keys for a moment.
EMPTY = """
import glob, os, shutil, sys
for pattern in sys.argv[1:]:
    for folder in glob.glob(pattern):
        if os.path.isdir(folder) and not os.path.islink(folder):
            for entry in (entry for entry in os.scandir(folder) if entry.name != "lost+found"):
                shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
"""
SSH_KEYS = "/etc/ssh/"
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key.pub"
BEFORE_AND_AFTER = ("network", "backup")  # the stages of every machine; a machine's own are those between
COUNT = """
import collections, json, sys
found = collections.Counter()
for line in sys.stdin:
    node = json.loads(line)
    if node.get("struct_type") == "node" or node.get("message_type") == "node":
        kind = "entries" if node["type"] in ("dir", "file", "symlink") else "special"
        found[kind] += 1
        found["bytes"] += node.get("size", 0) if node["type"] == "file" else 0
print(json.dumps(found))
"""
WALK = """
import json, os, stat, sys
found = {"entries": 0, "bytes": 0}
for folder, folders, files in os.walk(sys.argv[1]):
    for name in folders + files:
        status = os.lstat(os.path.join(folder, name))
        found["entries"] += 1
        found["bytes"] += status.st_size if stat.S_ISREG(status.st_mode) else 0
print(json.dumps(found))
"""


@dataclass
class Hands:
    """One machine that is being brought back: how it is reached, and where to leave what is said."""

    site: sites.Site
    inventory: Mapping[str, Any]
    keeper: tuple[str, Mapping[str, Any]]  # the backup machine itself, also where another plays it
    file: Path  # what Ansible and the checks are given: the site, or the file that names the stand-in
    folder: Path  # of the artifacts: logs and facts
    view: Progress
    row: str
    children: child.Children = field(default_factory=child.Children)
    secrets: tuple[str, ...] = ()

    def variables(self, machine: str) -> Mapping[str, Any]:
        """The inventory variables of a machine."""
        found: Mapping[str, Any] = self.inventory["_meta"]["hostvars"][machine]
        return found

    @property
    def streams(self) -> remote.Streams:
        """From the backup machine."""
        return remote.Streams(*self.keeper, self.children, self.folder)

    def say(self, doing: str) -> None:
        """What is done now."""
        self.view.stage(self.row, doing)

    def on(self, machine: str, *argv: str) -> str:
        """What a command on a machine prints."""
        return remote.run(machine, self.variables(machine), *argv)

    def build(self, stage: Stage, limit: str) -> None:
        """The playbook of a stage, for some machines alone."""
        self.say(f"building stage {stage.name}")
        artifacts = self.site.artifacts
        run.play(stage, self.file, artifacts, self.folder, self.children, self.view, self.row, self.secrets, limit)

    def check(self, stage: Stage, *, is_drill: bool = False) -> checks.Report:
        """The checks of a stage; raises StageFailed where they do not pass."""
        self.say(f"checking stage {stage.name}")
        report = checks.run(stage, self.file, self.folder, self.children, is_drill=is_drill)
        if self.children.is_stopped:
            raise child.Stopped("the run was stopped")
        if not report.is_good:
            raise explain.StageFailed(explain.check_failure(stage.name, report), self.secrets)
        return report

    def bring_back(self, source: Source, snapshot: str, *, is_compared: bool = False) -> None:
        """Stops what uses the data, empties its place, unpacks the snapshot, starts everything again. Repeated, it does all of it again.

        With `is_compared` every file is compared with the snapshot before anything may change it.
        """
        machine = source.machine
        if source.stop:
            self.say(f"stopping {', '.join(source.stop)}")
            self.on(machine, "systemctl", "stop", *source.stop)
        self.say(f"bringing back {', '.join(source.paths)}")
        self.on(machine, "python3", "-c", EMPTY, *source.paths)
        self.streams.unpack(machine, snapshot, machine, self.variables(machine), "/")
        if is_compared:
            self.say("comparing every file")
            self.streams.compare(machine, snapshot, machine, self.variables(machine), "/")
        if any(path.startswith(SSH_KEYS) for path in source.paths):
            self.take_host_key(machine)
        if source.stop:
            self.say(f"starting {', '.join(source.stop)}")
            self.on(machine, "systemctl", "start", *source.stop)
        for argv in source.after:
            self.say(f"running {argv[0]}")
            self.on(machine, *argv)

    def take_host_key(self, machine: str) -> None:
        """The machine shows the host key that came back with the data, and from now on we expect that one.

        It is read over the connection that is still trusted by the key before.
        """
        key = self.on(machine, "cat", HOST_KEY)
        variables = self.variables(machine)
        self.on(machine, "systemctl", "try-restart", "ssh")
        remote.remember_host_key(Path(variables["machine_known_hosts"]), str(variables["ansible_host"]), key)
        # A connection that is kept open knows nothing of the new key, and the checks are to prove it.
        lock.end_connections(self.site.artifacts)

    def compare(self, source: Source, snapshot: str, below: str) -> None:
        """Every file of a snapshot is below a folder: nothing is missing, nothing differs, and nothing was there before."""
        self.say("comparing every file")
        self.streams.compare(source.machine, snapshot, source.machine, self.variables(source.machine), below)
        listing = f"{shlex.join(remote.listing(source.machine, snapshot))} | python3 -c {shlex.quote(COUNT)}"
        wanted = json.loads(remote.run(*self.keeper, "bash", "-o", "pipefail", "-c", listing))
        found = json.loads(self.on(source.machine, "python3", "-c", WALK, below))
        problem = miscounted(wanted, found)
        if problem:
            raise LabError(f"source {source.name}: {problem}; fix: {remote.RESTIC} {source.machine} check --read-data, on {self.keeper[0]}")


def miscounted(wanted: Mapping[str, int], found: Mapping[str, int]) -> str:
    """How what was restored differs from what the snapshot lists; empty where it does not."""
    for what in ("entries", "bytes"):
        if wanted.get(what, 0) != found.get(what, 0):
            return f"the snapshot has {wanted.get(what, 0)} {what}, restored were {found.get(what, 0)}"
    return "" if wanted.get("entries") else "the snapshot is empty, so nothing is proven"


def keeper(inventory: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The backup machine of a site and its variables; raises InputError where it has none."""
    members = inventory.get("backup", {}).get("hosts", [])
    if not members:
        raise InputError(
            "the site has no backup machine, so nothing can be restored; fix: a machine of group backup, and the section `backup:`"
        )
    return str(members[0]), inventory["_meta"]["hostvars"][members[0]]


def report(inventory: Mapping[str, Any], connect_seconds: int = remote.CONNECT_SECONDS, limit: float = 60) -> dict[str, sources.Snapshot]:
    """The newest backup of every source, asked from the backup machine."""
    return sources.report(remote.run(*keeper(inventory), sources.REPORT, connect_seconds=connect_seconds, limit=limit))


def own_stages(site: sites.Site, machine: str) -> tuple[Stage, ...]:
    """The stages that make a machine what it is, in order: those whose playbooks are for it."""
    inventory = find.inventory(site)
    found = stages.order(stages.of(site))
    return tuple(stage for stage in found if stage.name not in BEFORE_AND_AFTER and machine in playbook.machines(stage.playbook, inventory))


def always(site: sites.Site, name: str) -> tuple[Stage, ...]:
    """A stage of every machine, where the site has it."""
    return tuple(stage for stage in stages.of(site) if stage.name == name)

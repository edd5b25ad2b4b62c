"""A site whose forge is backed up, in which nothing is real but the code of drills and restores: machines and stages are played."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lab import bringback, child, find, lock, platforms, remote, sandbox, sources
from lab import inventory as inventories
from lab import site as sites
from lab.change import Change
from lab.checks import Failed, Report
from lab.errors import LabError
from lab.stages import Stage
from lab.tests.project import Project
from lab.tests.test_overlay import AnySecret

GIT = {
    "name": "git",
    "paths": ["/srv/git", "/etc/ssh/ssh_host_*"],
    "stop_for_restore": ["nginx.service"],
    "after_restore": [["resume", "now"]],
}
NAS = {"name": "nas-homes", "paths": ["/srv/homes"]}
AUTHORITY = {"name": "authority", "paths": ["/srv/controller/authority"]}
COPIES: dict[str, list[dict[str, Any]]] = {"forge": [GIT], "store": [NAS], "vault": [AUTHORITY]}


class World:
    """What is there and what answers; `happened` is everything that was done, in order."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.happened: list[str] = []
        self.exists: set[str] = {"forge", "store", "vault", "gate"}
        self.silent: set[str] = set()
        self.state = "running"
        self.check_fails = False
        self.breaks_at = ""
        self.error: BaseException = LabError("no luck")
        self.taken = datetime.now(UTC) - timedelta(hours=1)
        self.snapshot = "1a2b3c4d5e"
        self.path = tmp_path / "site.yml"
        self.path.write_text(find.site().read_text())
        self.site = sites.load(self.path)
        built = inventories.build(self.site, AnySecret())
        for machine, copies in COPIES.items():
            built["_meta"]["hostvars"][machine][sources.VARIABLE] = copies
        self.inventory = built
        self.stage = Project(tmp_path / "project").stage("git", "network")
        self._play(monkeypatch)

    @property
    def artifacts(self) -> Path:
        """Of the site."""
        return self.site.artifacts

    def does(self, what: str) -> None:
        """Takes note, or breaks where it was told to."""
        self.happened.append(what)
        if self.breaks_at and what.startswith(self.breaks_at):
            raise self.error

    def report(self, *_: Any, **__: Any) -> dict[str, sources.Snapshot]:
        """What the backup machine says."""
        rows = [
            {"machine": machine, "source": copy["name"], "snapshot": self.snapshot, "time": self.taken.isoformat(), "age_seconds": 3600}
            for machine, copies in COPIES.items()
            for copy in copies
        ]
        return sources.report(json.dumps(rows))

    def _play(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = self

        class Platform:
            def ensure(self, name: str, spec: Any, *, check: bool = False) -> Change:
                if not check:
                    world.does(f"make {name}")
                    world.exists.add(name)
                before = {"state": world.state} if name in world.exists else {}
                return Change(f"machine {name}", not before, before, {}, {"host_key": "ssh-ed25519 KEY"})

            def remove(self, name: str, spec: Any, *, check: bool = False) -> Change:
                world.does(f"remove {name}")
                was = name in world.exists
                world.exists.discard(name)
                return Change(f"machine {name}", was)

        def build(hands: bringback.Hands, stage: Stage, limit: str) -> None:
            world.does(f"build {stage.name} on {limit} as {hands.variables(limit.split(',')[0])['machine_name']}")
            world.exists.add(hands.variables(limit.split(",")[0])["machine_name"])

        def check(hands: bringback.Hands, stage: Stage, *, is_drill: bool = False) -> Report:
            world.does(f"check {stage.name}{' in a drill' if is_drill else ''}")
            if world.check_fails:
                from lab import explain

                report = Report(1, (Failed("the page is served", "test_git_server.py", ("no answer",)),), 0, Path("log"))
                raise explain.StageFailed(explain.check_failure(stage.name, report))
            return Report(7, (), 0, Path("log"), left_out=2)

        def bring_back(hands: bringback.Hands, source: sources.Source, snapshot: str, *, is_compared: bool = False) -> None:
            world.does(f"bring back {source.name} {snapshot}{' and compare' if is_compared else ''}")

        def unpack(_: Any, machine: str, snapshot: str, target: str, variables: Any, into: str) -> None:
            world.does(f"unpack {snapshot} of {machine} into {variables['machine_name']} {into}")

        def compare(_: Any, source: sources.Source, snapshot: str, below: str) -> None:
            world.does(f"compare {source.name} {below}")

        def command(name: str, variables: Any, *argv: str, **_: Any) -> str:
            world.does(f"{variables['machine_name']}: {' '.join(argv)[:60]}")
            return ""

        def answers(name: str, variables: Any) -> str:
            there = variables["machine_name"] in world.exists and name not in world.silent
            return "" if there else f"machine {name}: does not let us in"

        monkeypatch.setattr(platforms, "PLATFORMS", dict.fromkeys(("container", "metal", "vm"), Platform))
        monkeypatch.setattr(inventories, "build", lambda site, known: world.inventory)
        monkeypatch.setattr(bringback, "report", self.report)
        monkeypatch.setattr(bringback, "own_stages", lambda site, machine: (world.stage,) if machine == "forge" else ())
        always = {name: (Stage(name, name),) for name in ("network", "backup")}
        monkeypatch.setattr(bringback, "always", lambda site, name: always.get(name, ()))
        for name, played in (("build", build), ("check", check), ("bring_back", bring_back), ("compare", compare)):
            monkeypatch.setattr(bringback.Hands, name, played)
        monkeypatch.setattr(remote.Streams, "unpack", unpack)
        monkeypatch.setattr(remote.Streams, "read", lambda _, machine, snapshot: world.does(f"read {snapshot} of {machine}"))
        monkeypatch.setattr(remote, "run", command)
        monkeypatch.setattr(remote, "answers", answers)
        monkeypatch.setattr(lock, "end_connections", lambda artifacts: None)
        monkeypatch.setattr(sandbox, "give_back", lambda path: None)
        monkeypatch.setattr(child, "environment", lambda **more: more)

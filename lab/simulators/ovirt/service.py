"""The simulator as a process of a rehearsal: detached, in the engine container's network namespace, found again and ended.

It listens on 443 there, so that the engine's name, address and firewall are those of the site. Everything else of it is the controller's.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lab import private_file
from lab.change import Change
from lab.errors import LabError
from lab.lock import MARK
from lab.platforms.podman import first_process
from lab.simulators.ovirt.engine import API, NAME
from lab.simulators.ovirt.machines import backends
from lab.simulators.ovirt.machines import spec as specs
from lab.simulators.ovirt.machines.namespaces import began, identity
from lab.simulators.ovirt.machines.spec import Spec
from lab.simulators.ovirt.serving import USER, read_password
from lab.stages import ROOT
from lab.wait import wait_for

START_SECONDS = 60
END_SECONDS = 30
RECORD = "process.json"
LOG = "simulator.log"
LOG_LINES = 4


@dataclass(frozen=True)
class Process:
    """A simulator's process as it was started: what it serves, and from which code."""

    pid: int
    began: str
    serves: str

    @property
    def is_alive(self) -> bool:
        """Whether it is still that process, and not another one of its number."""
        return began(self.pid) == self.began


def ensure(spec: Mapping[str, Any], *, check: bool = False, say: Callable[[str], None] = lambda _: None) -> Change:
    """Makes a simulator of that spec serve; starts it again where it died, or where its code, its spec or its password changed.

    What it keeps (state, disks, authority) outlives that. Raises LabError where the engine's container does not run, and with the last
    words of a simulator that does not come up.
    """
    wanted = specs.read(spec)
    found = _record(wanted)
    before = _shown(found)
    serves, engine = _serves(wanted), first_process(wanted.engine_container)
    is_right = found is not None and found.is_alive and found.serves == serves and identity(found.pid) == identity(engine)
    if is_right or check:
        return Change(f"{NAME} {wanted.engine_fqdn}", not is_right, before, before if is_right else {"state": "running"}, _facts(wanted))
    if not engine:
        raise LabError(
            f"{NAME}: container {wanted.engine_container} does not run, and the engine is to be served in its network"
            "; fix: ./inv up makes and starts it"
        )
    read_password(wanted.password_file)
    backends.prepare(wanted, say)
    _end(wanted, found)
    started = _start(wanted, engine, serves)
    return Change(f"{NAME} {wanted.engine_fqdn}", True, before, _shown(started), _facts(wanted))


def remove(spec: Mapping[str, Any], *, check: bool = False) -> Change:
    """Ends the simulator, and removes its virtual machines and its folder: engine and disks are gone as with their machines."""
    wanted = specs.read(spec)
    found = _record(wanted)
    machines = backends.left(wanted)
    before = _shown(found) | ({"machines": machines} if machines else {}) | ({"folder": str(wanted.folder)} if _kept(wanted) else {})
    if before and not check:
        _end(wanted, found)
        backends.remove_all(wanted)
        for entry in _kept(wanted):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        with contextlib.suppress(OSError):  # others may keep something in it
            wanted.folder.rmdir()
    return Change(f"{NAME} {wanted.engine_fqdn}", bool(before), before, {})


def is_running(spec: Mapping[str, Any]) -> bool:
    """Whether its process lives; not whether it is the one that the spec asks for now."""
    found = _record(specs.read(spec))
    return found is not None and found.is_alive


def _facts(spec: Spec) -> dict[str, Any]:
    return {
        "url": f"https://{spec.engine_address}{API}",
        "ca_file": str(spec.folder / "tls" / "ca.pem"),
        "user": USER,
        "log": str(spec.folder / LOG),
        "backend": f"simulated engine; machines: {backends.title(spec)}",
    }


def _shown(process: Process | None) -> dict[str, Any]:
    if process is None:
        return {}
    return {"state": "running", "serves": process.serves} if process.is_alive else {"state": "dead"}


def _kept(spec: Spec) -> list[Path]:
    """What is in the folder, but the password that was given."""
    return [entry for entry in sorted(spec.folder.iterdir()) if entry != spec.password_file] if spec.folder.is_dir() else []


@cache
def _code() -> str:
    """A hash of the simulator's own files: one of yesterday's code would answer otherwise than these tests say."""
    digest = hashlib.sha256()
    for file in sorted(path for path in Path(__file__).parent.rglob("*") if path.is_file() and path.suffix not in (".pyc", ".md")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _serves(spec: Spec) -> str:
    """Spec, code and password: with another one of them it has to be started again."""
    password = spec.password_file.read_bytes() if spec.password_file.is_file() else b""
    return f"{spec.digest} {_code()} {hashlib.sha256(spec.digest.encode() + password).hexdigest()[:12]}"


def _record(spec: Spec) -> Process | None:
    try:
        kept = json.loads((spec.folder / RECORD).read_text(encoding="utf-8"))
        return Process(int(kept["pid"]), str(kept["began"]), str(kept.get("serves", "")))  # an older one may have kept more
    except FileNotFoundError:
        return None


def _start(spec: Spec, engine: int, serves: str) -> Process:
    given = {"folder": str(spec.folder), "site": spec.site, "project": spec.owner, "hypervisors": dict(spec.hypervisors)}
    given["engine"] = {"container": spec.engine_container, "address": spec.engine_address, "fqdn": spec.engine_fqdn}
    given |= {"backend": spec.backend, "suite": spec.suite, "password_file": str(spec.password_file)}
    private_file.write(spec.folder / "spec.json", json.dumps(given, indent=2))
    serving = spec.folder / "serving"
    serving.unlink(missing_ok=True)
    command = ["nsenter", f"--net=/proc/{engine}/ns/net", "--", sys.executable, "-m", "lab.simulators.ovirt", str(spec.folder)]
    environment = {name: value for name, value in os.environ.items() if name != MARK}  # it belongs to no run, and outlives this one
    with (spec.folder / LOG).open("ab") as log:
        child = subprocess.Popen(
            [*command, "--spec", str(spec.folder / "spec.json")],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    started = Process(child.pid, began(child.pid), serves)
    private_file.write(spec.folder / RECORD, json.dumps(vars(started)))
    try:
        wait_for(f"{NAME} serves", serving.exists, bool, START_SECONDS, lambda _: child.poll() is not None, where=spec.engine_fqdn)
    except LabError as error:
        _end(spec, started)
        said = " | ".join((spec.folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:])
        raise LabError(f"{error}; it said: {said}; fix: mend that, then run again; all it said: {spec.folder / LOG}") from None
    return started


def _end(spec: Spec, process: Process | None) -> None:
    """By its number, which its beginning shows to be its own."""
    if process is None:
        return
    for sent in (signal.SIGTERM, signal.SIGKILL):
        if process.is_alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, sent)
            with contextlib.suppress(LabError):
                wait_for(f"{NAME} ends", lambda: process.is_alive, lambda lives: not lives, END_SECONDS)
    if process.is_alive:
        raise LabError(f"{NAME}: process {process.pid} does not end; fix: look at {spec.folder / LOG}, then kill -9 {process.pid}")
    (spec.folder / RECORD).unlink(missing_ok=True)

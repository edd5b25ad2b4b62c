"""The simulator's inside, without HTTP: its state, what is going on, and what a request may use of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.simulators.ovirt import events
from lab.simulators.ovirt.auth import Sessions
from lab.simulators.ovirt.backend import Backend
from lab.simulators.ovirt.errors import Fault
from lab.simulators.ovirt.events import Code
from lab.simulators.ovirt.injection import Injections
from lab.simulators.ovirt.store import Body, Store
from lab.simulators.ovirt.transfer_daemon import TransferDaemon

NAME = "oVirt engine simulator (Strata)"
API = "/ovirt-engine/api"
USER_NAME = "admin@internal-authz"
# What takes time in an engine, in seconds; all can be changed while the simulator runs.
DELAYS = {"host": 1.0, "disk": 0.5, "vm": 0.5, "boot": 1.0, "shutdown": 0.5, "storage": 0.5, "template": 0.5, "snapshot": 0.5}
DELAYS |= {"migration": 0.5, "transfer": 0.2, "export": 0.5}
POLL_SECONDS = 0.05
WORKERS = 4

log = logging.getLogger("ovirt.simulator")

# What a task does before its transaction, where it may take long, and in it.
Work = Callable[["Engine", Body], Any]
Finish = Callable[["Call", Body, Any], None]
_TASKS: dict[str, tuple[Work | None, Finish, Finish | None]] = {}


def task(name: str, work: Work | None = None, failed: Finish | None = None) -> Callable[[Finish], Finish]:
    """Names what is done later. `work` runs outside of a transaction and has to bear being repeated, for a kill may come after it."""

    def keep(finish: Finish) -> Finish:
        _TASKS[name] = (work, finish, failed)
        return finish

    return keep


@dataclass
class Engine:
    """Everything that lives as long as the simulator runs."""

    folder: Path
    store: Store
    sessions: Sessions
    backend: Backend
    daemon: TransferDaemon
    injections: Injections = field(default_factory=Injections)
    delays: dict[str, float] = field(default_factory=lambda: dict(DELAYS))
    url: str = ""
    _stop: threading.Event = field(default_factory=threading.Event)
    _claimed: dict[int, Future[None]] = field(default_factory=dict)
    _worker: threading.Thread | None = None

    def start(self) -> None:
        """Begins to do what is due, also what was left from before."""
        self._worker = threading.Thread(target=self._run, name="tasks", daemon=True)
        self._worker.start()

    def stop(self) -> None:
        """Ends after what is being done."""
        self._stop.set()
        if self._worker:
            self._worker.join()

    @property
    def images(self) -> Path:
        """Where the disks are."""
        return self.folder / "images"

    def _run(self) -> None:
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="task") as pool:
            while not self._stop.wait(POLL_SECONDS):
                for seq, due, name, args in self.store.tasks():
                    if due <= time.time() and seq not in self._claimed:
                        self._claimed[seq] = pool.submit(self._do, seq, name, args)
                for seq in [seq for seq, future in self._claimed.items() if future.done()]:
                    del self._claimed[seq]

    def _do(self, seq: int, name: str, args: Body) -> None:
        work, finish, failed = _TASKS[name]
        call = Call(self, correlation_id=args.get("_correlation", ""), job=args.get("_job", ""))
        try:
            result = work(self, args) if work else None
            with self.store.transaction():
                finish(call, args, result)
                self.store.end_task(seq)
                call.end_job("finished")
        except (Fault, LabError, OSError) as error:
            log.warning("task %s failed: %s", name, error)
            with self.store.transaction():
                if failed:
                    failed(call, args, str(error))
                self.store.end_task(seq)
                call.end_job("failed")
        except Exception:
            log.exception("task %s: a bug of the simulator", name)
            with self.store.transaction():
                self.store.end_task(seq)
                call.end_job("failed")


@dataclass
class Call:
    """One request, or one task, at work on the engine's state."""

    engine: Engine
    method: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    correlation_id: str = ""
    job: str = ""
    base: str = ""
    parents: tuple[Body, ...] = ()

    @property
    def store(self) -> Store:
        """The engine's state."""
        return self.engine.store

    @property
    def parent(self) -> Body:
        """The object the collection belongs to."""
        return self.parents[-1]

    def flag(self, name: str) -> bool:
        """Whether an argument of the request says true."""
        return self.query.get(name, "").lower() == "true"

    def event(self, code: Code, description: str, **subjects: str) -> None:
        """Tells what happened."""
        events.record(self.store, code, description, self.correlation_id, subjects)
        log.info("event %d: %s", code, description)

    def start_job(self, description: str) -> None:
        """From here on what is done belongs to a job that can be asked after."""
        if not self.job:
            now = events.now()
            body: Body = {"description": description, "status": "started", "start_time": now, "last_updated": now, "external": False}
            body |= {"auto_cleared": True, "_correlation": self.correlation_id}
            self.job = str(self.store.insert("job", body)["id"])
            step: Body = {"description": description, "type": "executing", "status": "started", "number": 0, "start_time": now}
            self.store.insert("step", step, self.job)

    def end_job(self, status: str) -> None:
        """Unless more is to be done for it, the job is over."""
        if not self.job or any(args.get("_job") == self.job for *_, args in self.store.tasks()):
            return
        over = {"status": status, "end_time": events.now()}
        job = self.store.get("job", self.job)
        if job and job["status"] == "started":
            self.store.save("job", job | over | {"last_updated": over["end_time"]})
            for step in self.store.all("step", self.job):
                self.store.save("step", step | over, self.job)

    def later(self, name: str, delay: str, description: str = "", **args: Any) -> None:
        """Has a task done after the delay of this name, as part of a job where it is described."""
        if description:
            self.start_job(description)
        due = time.time() + self.engine.delays[delay]
        self.store.add_task(due, name, args | {"_correlation": self.correlation_id, "_job": self.job})

    def need(self, kind: str, id: str, parent: str | None = "") -> Body:
        """An object that has to be there, for it is referred to."""
        found = self.store.get(kind, id, parent)
        if found is None and self.method == "GET":  # nobody named it but our own state: a client must not take that for absence
            raise RuntimeError(f"{kind} {id} is referred to, and is not there")
        if found is None:
            raise Fault(404)
        return found

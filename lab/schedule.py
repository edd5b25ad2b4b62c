"""Runs stages as their graph allows: independent ones at the same time, none before what it needs."""

from __future__ import annotations

import graphlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lab.errors import LabError
from lab.stages import Stage

State = Literal["up", "failed", "blocked", "stopped"]


@dataclass(frozen=True)
class Result:
    """How a stage ended."""

    stage: str
    state: State
    seconds: float = 0.0
    was_built: bool = False
    check_count: int = 0
    left_out: int = 0  # disruptive checks
    error: LabError | None = None
    blocked_by: str = ""
    words: str = ""  # how it ended, where its state does not say it all


Work = Callable[[Stage], Result]


def run(
    stages: tuple[Stage, ...],
    work: Work,
    *,
    fail_fast: bool = False,
    at_once: int | None = None,
    stop: Callable[[], None] = lambda: None,
    ended: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Runs `work` for each stage and returns how each ended, in the order of the graph; at most `at_once` of them at the same time.

    A stage that fails blocks those that need it and nothing else; with `fail_fast` everything stops. `stop` has to make the work that
    is under way return soon; it is called on `fail_fast`, on Ctrl-C and on a bug (which is raised again when all threads have ended).
    """
    return _Run(stages, work, fail_fast, at_once or len(stages), stop, ended).go()


class _Run:
    def __init__(
        self,
        stages: tuple[Stage, ...],
        work: Work,
        fail_fast: bool,
        at_once: int,
        stop: Callable[[], None],
        ended: Callable[[Result], None],
    ) -> None:
        self.stages = {stage.name: stage for stage in stages}
        self.work, self.fail_fast, self.at_once, self.stop, self.ended = work, fail_fast, at_once, stop, ended
        self.ready: list[str] = []
        self.running: set[str] = set()
        self.results: dict[str, Result] = {}
        self.done: queue.Queue[Result | tuple[str, BaseException]] = queue.Queue()
        self.threads: list[threading.Thread] = []

    def go(self) -> list[Result]:
        graph = graphlib.TopologicalSorter({name: self._needs(name) for name in self.stages})
        graph.prepare()
        try:
            self._start(graph)
            while graph.is_active():
                result = self._take()
                graph.done(result.stage)
                self._start(graph)
        except BaseException:
            self.stop()
            self._join()
            raise
        self._join()
        return [self.results[name] for name in self.stages]

    def _needs(self, name: str) -> list[str]:
        return [need for need in self.stages[name].needs if need in self.stages]

    def _start(self, graph: graphlib.TopologicalSorter[str]) -> None:
        order = list(self.stages)
        self.ready = sorted([*self.ready, *graph.get_ready()], key=order.index)
        while self.ready and len(self.running) < self.at_once:
            name = self.ready.pop(0)
            bad = next((need for need in self._needs(name) if self.results[need].state != "up"), None)
            if bad:
                self.done.put(Result(name, "blocked", blocked_by=self.results[bad].blocked_by or bad))
            elif self.fail_fast and any(result.state == "failed" for result in self.results.values()):
                self.done.put(Result(name, "stopped"))
            else:
                self.running.add(name)
                thread = threading.Thread(target=self._run, args=(self.stages[name],), name=name, daemon=True)
                self.threads.append(thread)
                thread.start()

    def _run(self, stage: Stage) -> None:
        try:
            self.done.put(self.work(stage))
        except BaseException as error:  # a bug: it has to show in the main thread
            self.done.put((stage.name, error))

    def _take(self) -> Result:
        result = self.done.get()
        if isinstance(result, tuple):
            raise result[1]
        self.results[result.stage] = result
        self.running.discard(result.stage)
        self.ended(result)
        if result.state == "failed" and self.fail_fast:
            self.stop()
        return result

    def _join(self) -> None:
        for thread in self.threads:
            thread.join()

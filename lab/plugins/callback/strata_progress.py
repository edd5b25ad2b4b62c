"""Writes what a playbook does as JSON lines to the file named by $STRATA_EVENTS, for the progress view and for `lab/explain.py`."""

from __future__ import annotations

import json
import os
import time

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: strata_progress
type: notification
short_description: events of a run as JSON lines
description: Appends one JSON object a line to the file named by the environment variable STRATA_EVENTS.
requirements: [enabled in the environment by lab/run.py]
"""
KEPT = ("msg", "stderr", "stdout", "module_stderr", "rc", "cmd", "argument_errors", "censored", "exception")


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "strata_progress"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        path = os.environ.get("STRATA_EVENTS")
        self.disabled = not path
        self._out = open(path, "a", encoding="utf-8") if path else None  # noqa: SIM115, PTH123 - open for the whole run

    def _write(self, event, **fields):
        # One line in one write: a run killed here leaves at most one broken line, which the reader skips.
        self._out.write(json.dumps({"event": event, "time": round(time.time(), 2), **fields}, default=str) + "\n")
        self._out.flush()

    def _result(self, event, result, **fields):
        task = result._task
        data = result._result
        kept = {key: data[key] for key in KEPT if data.get(key) not in (None, "")}
        items = [item for item in data.get("results", []) if isinstance(item, dict) and (item.get("failed") or item.get("unreachable"))]
        if items:  # a loop: the first item that failed says more than "One or more items failed"
            kept |= {key: items[0][key] for key in KEPT if items[0].get(key) not in (None, "")}
        where = {"task": task.get_name(), "role": _role(task), "path": task.get_path() or "", "action": task.action}
        self._write(event, host=result._host.get_name(), **where, result=kept, **fields)

    def v2_playbook_on_play_start(self, play):
        self._write("play", name=play.get_name().strip())

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._write("task", task=task.get_name(), role=_role(task))

    v2_playbook_on_handler_task_start = lambda self, task: self.v2_playbook_on_task_start(task, False)  # noqa: E731

    def v2_runner_on_start(self, host, task):
        self._write("start", host=host.get_name(), task=task.get_name(), role=_role(task))

    def v2_runner_on_ok(self, result):
        self._write("ok", host=result._host.get_name(), task=result._task.get_name(), changed=bool(result._result.get("changed")))
        if result._result.get("notice"):  # of a module of ours: what was left undone, and why
            self._write("notice", host=result._host.get_name(), text=str(result._result["notice"]))

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._result("failed", result, ignored=bool(ignore_errors))

    def v2_runner_on_unreachable(self, result):
        self._result("unreachable", result, ignored=bool(getattr(result._task, "ignore_unreachable", False)))

    def v2_playbook_on_stats(self, stats):
        hosts = {host: stats.summarize(host) for host in sorted(stats.processed)}
        self._write("stats", hosts=hosts)


def _role(task):
    return task._role.get_name() if task._role else ""

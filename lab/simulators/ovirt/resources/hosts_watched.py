"""Hypervisors that go away and come back by themselves, as the engine notices it."""

from __future__ import annotations

import logging
import time

from lab.errors import LabError
from lab.simulators.ovirt import hosts_down
from lab.simulators.ovirt.engine import Call, Engine, task
from lab.simulators.ovirt.resources import hosts
from lab.simulators.ovirt.store import Body

WATCH_SECONDS = 2.0

log = logging.getLogger("ovirt.simulator")


def watch(call: Call) -> None:
    """Has all hypervisors looked at from now on, if they are not already."""
    if not any(name == "hosts.watch" for _, _, name, _ in call.store.tasks()):
        call.store.add_task(time.time(), "hosts.watch", {})


def _look(engine: Engine, args: Body) -> dict[str, bool]:
    found = {}
    for host in engine.store.all("host"):
        if host["status"] == "up" or host.get("_lost"):
            try:
                found[host["id"]] = engine.backend.is_reachable(hosts.described(engine.store, host))
            except (LabError, OSError) as error:  # what cannot be looked at just now is looked at again
                log.warning("host %s cannot be seen: %s", host["name"], error)
    return found


@task("hosts.watch", work=_look)
def seen(call: Call, args: Body, found: dict[str, bool]) -> None:
    """One that is gone is non-responsive, and its machines unknown; one that is back is set up again and goes up."""
    for id, is_there in found.items():
        host = call.store.get("host", id)
        if host and host["status"] == "up" and not is_there:
            hosts_down.set_status(call, host["name"], "non_responsive")
            call.store.save("host", call.need("host", id) | {"_lost": True, "_broken": ""})
        elif host and host.get("_lost") and is_there:
            hosts.set_status(call, host | {"_lost": False}, "unassigned")
            call.later("host.up", "host", host=id)
    call.store.add_task(time.time() + WATCH_SECONDS, "hosts.watch", {})

"""How a plan over many VMs is made in one pass, beside asking for one object after the other: `python benchmarks/ovirt_plan.py`."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from lab.ovirt import steps
from lab.ovirt.engine import Engine, Login, connect
from lab.ovirt.kinds import KINDS
from lab.ovirt.model import parse
from lab.ovirt.plan import Step, compare, plan
from lab.ovirt.state import QUERIES, State
from lab.ovirt.thing import Thing
from lab.simulators.ovirt import serve

REQUESTS_RATIO = 50.0
SECONDS_RATIO = 3.0


def model(vms: int) -> list[Thing]:
    """A data center with a cluster, a network, and VMs with an interface each; they are not running, so that none is simulated."""
    vm = {"data_center": "lab", "cluster": "main", "template": "Blank", "memory_mib": 1024, "vcpus": 1, "state": "stopped"}
    return parse(
        {
            "data_center": [{"name": "lab"}],
            "cluster": [{"name": "main", "data_center": "lab", "cpu_type": "Intel Nehalem Family"}],
            "network": [{"name": "storage", "data_center": "lab", "clusters": ["main"]}],
            "vm": [vm | {"name": f"vm{number}", "nics": [{"name": "nic1", "network": "storage"}]} for number in range(vms)],
        }
    )


def in_one_pass(engine: Engine, things: list[Thing]) -> list[Step]:
    """As Strata does: collections with what hangs on them, then pure comparison."""
    return plan(things, steps.look(State(engine), things))


def one_by_one(engine: Engine, things: list[Thing]) -> list[Step]:
    """As a task per object does: search it by name, then follow each of its links; what it refers to is asked for again each time."""
    return [compare(thing, KINDS[thing.kind].observe(OneByOne(engine, thing)).get(thing.key)) for thing in things]


class OneByOne(State):
    """Asks by name, and for every link on its own."""

    def __init__(self, engine: Engine, thing: Thing) -> None:
        super().__init__(engine)
        self._thing = thing

    def objects(self, collection: str) -> list[Any]:
        """A collection, of the thing's own only itself."""
        if collection not in self._kept:
            own = {"vm": "vms", "cluster": "clusters", "network": "networks", "data_center": "data_centers"}[self._thing.kind]
            query = {"search": f"name={self._thing.name}"} if collection == own else {}
            found = self.engine.ask(collection, lambda: self.service(collection).list(**query))
            for item in found:
                for link in {part.partition(".")[0] for part in str(QUERIES.get(collection, {}).get("follow", "")).split(",") if part}:
                    setattr(item, link, self.follow(getattr(item, link)))
            self._kept[collection] = list(found)
        return self._kept[collection]

    def follow(self, link: Any) -> Any:
        """One request for one link."""
        if link is None or link.href is None:
            return link
        return self.engine.ask("link", lambda: self.engine.connection.follow_link(link))


def measured(engine: Engine, things: list[Thing], way: Callable[[Engine, list[Thing]], Iterable[Step]]) -> tuple[int, float, list[str]]:
    """Requests, seconds, and what the plan says."""
    before, start = engine.requests, time.perf_counter()
    said = sorted(f"{step.ref}: {step.action}" for step in way(engine, things))
    return engine.requests - before, time.perf_counter() - start, said


def main() -> int:
    """Print the figures; 1 if the one pass is not that much better, or the two ways disagree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vms", type=int, default=200)
    arguments = parser.parse_args()
    things = model(arguments.vms)
    logging.disable()  # the simulator says that it is one; the figures say it too
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as served:
        served.engine.delays |= dict.fromkeys(served.engine.delays, 0.0)
        with connect(Login(served.url, served.user, served.password, served.ca_file)) as engine:
            engine.pause_seconds = 0.02
            empty = measured(engine, things, in_one_pass)
            start = time.perf_counter()
            steps.ensure_all(engine, things)
            print(f"{len(things)} things made in {time.perf_counter() - start:.1f} s")
            few, short, planned = measured(engine, things, in_one_pass)
            many, long, naive = measured(engine, things, one_by_one)
    print(f"{'':24} {'requests':>9} {'seconds':>9}")
    print(f"{'one pass, empty engine':24} {empty[0]:>9} {empty[1]:>9.2f}")
    print(f"{'one pass, built engine':24} {few:>9} {short:>9.2f}")
    print(f"{'one by one':24} {many:>9} {long:>9.2f}")
    print(f"{'ratio':24} {many / few:>9.0f} {long / short:>9.1f}")
    if planned != naive or any(not line.endswith("nothing") for line in planned):
        print("the two ways do not agree that nothing is to be done")
        return 1
    return 0 if many / few >= REQUESTS_RATIO and long / short >= SECONDS_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())

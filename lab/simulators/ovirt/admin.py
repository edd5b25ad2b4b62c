"""The admin endpoint `/simulator`, JSON, for whoever tests against the simulator. No engine has it.

| request | does |
|---|---|
| `GET /simulator` | name, backend, requests and API writes counted since the start, injections, delays |
| `GET /simulator/requests` | the last requests as `METHOD path`, oldest first |
| `DELETE /simulator/requests` | counts from zero again |
| `POST /simulator/faults` `{kind, path?, method?, times?, for_seconds?, ...}` | lets requests whose path matches go wrong: |
| | `slow` (answered after `seconds`), `unavailable` and `html` (`status` with a proxy's page), `drop` (connection cut), |
| | `fault` (`status`, `reason`, `detail`), `broken_upload` (the next transfer's connections are cut after `bytes`) |
| `DELETE /simulator/faults` | nothing goes wrong any more |
| `POST /simulator/tokens` `{expire: true}` or `{lifetime_seconds: N}` | ends every token now; how long new ones live |
| `PUT /simulator/delays` `{name: seconds}` | how long an engine's work takes |
| `POST /simulator/hosts/NAME` `{status: non_responsive, non_operational or up}` | a hypervisor goes down, or comes back |

Its user and password are the engine's, as HTTP Basic.
"""

from __future__ import annotations

import json
import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from lab.errors import LabError, suggest
from lab.simulators.ovirt import hosts_down
from lab.simulators.ovirt.engine import NAME, Call, Engine
from lab.simulators.ovirt.router import Answer

REMEMBERED = 2000


class Counters:
    """What was asked since the start, so that a test can prove that nothing was written."""

    def __init__(self) -> None:
        """From zero."""
        self._mutex = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """From zero again."""
        with self._mutex:
            self.by_method: Counter[str] = Counter()
            self.writes = 0
            self.last: deque[str] = deque(maxlen=REMEMBERED)

    def count(self, method: str, path: str, *, is_write: bool) -> None:
        """One request; a write counts whether or not it is accepted."""
        with self._mutex:
            self.by_method[method] += 1
            self.writes += is_write
            self.last.append(f"{method} {path}")


class Admin:
    """Answers the endpoint."""

    def __init__(self, engine: Engine, counters: Counters) -> None:
        """For one engine."""
        self.engine = engine
        self.counters = counters

    def answer(self, method: str, path: str, body: bytes, authorization: str) -> Answer:
        """One request."""
        if not self.engine.sessions.accepts(authorization):
            return Answer(401, headers={"WWW-Authenticate": 'Basic realm="simulator"'})
        first, _, rest = path.strip("/").partition("/")
        known: dict[tuple[str, str], Callable[[str, dict[str, Any]], Any]] = {
            ("GET", ""): lambda rest, words: self._state(),
            ("GET", "requests"): lambda rest, words: list(self.counters.last),
            ("DELETE", "requests"): lambda rest, words: self.counters.reset(),
            ("POST", "faults"): lambda rest, words: vars(self.engine.injections.add(words)),
            ("DELETE", "faults"): lambda rest, words: self.engine.injections.clear(),
            ("POST", "tokens"): self._tokens,
            ("PUT", "delays"): self._delays,
            ("POST", "hosts"): self._host,
        }
        act = known.get((method, first))
        if act is None:
            return _answer(404, {"error": f"{method} /simulator{path} does nothing; fix: see lab/simulators/ovirt/README.md"})
        try:
            return _answer(200, act(rest, json.loads(body) if body else {}))
        except (LabError, ValueError, TypeError, KeyError) as error:
            return _answer(400, {"error": str(error)})

    def _state(self) -> dict[str, Any]:
        return {
            "name": NAME,
            "backend": self.engine.backend.name,
            "requests": sum(self.counters.by_method.values()),
            "by_method": dict(self.counters.by_method),
            "writes": self.counters.writes,
            "faults": self.engine.injections.listed(),
            "delays": self.engine.delays,
        }

    def _tokens(self, rest: str, words: dict[str, Any]) -> dict[str, Any]:
        if "lifetime_seconds" in words:
            self.engine.sessions.lifetime_seconds = float(words["lifetime_seconds"])
        return {"expired": self.engine.sessions.expire_all() if words.get("expire") else 0}

    def _delays(self, rest: str, words: dict[str, Any]) -> dict[str, float]:
        for name in words:
            if name not in self.engine.delays:
                raise ValueError(f"there is no delay {name!r}; {suggest(name, self.engine.delays)}")
        self.engine.delays |= {name: float(seconds) for name, seconds in words.items()}
        return self.engine.delays

    def _host(self, rest: str, words: dict[str, Any]) -> dict[str, str]:
        with self.engine.store.transaction():
            return hosts_down.set_status(Call(self.engine), rest, words["status"])


def _answer(status: int, body: Any) -> Answer:
    return Answer(status, (json.dumps(body) + "\n").encode(), type="application/json")

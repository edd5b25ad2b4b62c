"""A connection to an engine: every request goes through here, is counted, and fails with a message."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from lab.errors import InputError, LabError
from lab.ovirt.errors import Answer, EngineError, translate
from lab.ovirt.sdk import sdk, word
from lab.wait import wait_for

Result = TypeVar("Result")
REQUEST_SECONDS = 300  # adding storage is answered only when a hypervisor has mounted it
STARTING_SECONDS = 180  # a starting engine answers 503 for two minutes on small machines
STARTING = (502, 503, 504)
EVENTS_SHOWN = 5


class NotReached(LabError):
    """What was waited for did not come; the engine itself answered all along."""


@dataclass(frozen=True)
class Login:
    """Where an engine is and who speaks to it. `repr` has no secret."""

    url: str
    user: str
    password: str = field(repr=False, default="")
    ca_file: Path | None = None
    token: str = field(repr=False, default="")


@dataclass
class Engine:
    """An engine that is logged in to on the first request. With `check` it refuses to send anything but questions."""

    login: Login
    check: bool = False
    patience_seconds: float = STARTING_SECONDS
    pause_seconds: float = 0.5
    longest_seconds: float = float("inf")
    requests: int = 0
    last: Answer = field(default_factory=Answer)
    connection: Any = None

    def ask(self, what: str, question: Callable[[], Result]) -> Result:
        """A request that changes nothing. An engine that is starting is waited for.

        Raises EngineError, and Gone where the engine says that there is no object of that id.
        """
        until = time.monotonic() + self.patience_seconds
        while True:
            try:
                return self._send(what, question)
            except EngineError as error:
                if error.code not in STARTING or time.monotonic() > until:
                    raise
            time.sleep(min(2, self.patience_seconds / 10))

    def tell(self, what: str, order: Callable[[], Result]) -> Result:
        """A request that changes something. It is never sent twice, for the first may have been carried out.

        Raises EngineError.
        """
        return self._send(what, order)

    def _send(self, what: str, request: Callable[[], Result]) -> Result:
        self.last = Answer()
        try:
            return request()
        except Exception as error:
            # The SDK stumbles over answers that are not the engine's in many ways; only its own errors are always meant for people.
            if not isinstance(error, sdk().Error) and not self.last.is_foreign:
                raise
            token_only = bool(self.login.token) and not self.login.password
            raise translate(error, self.login.url, self.login.user, what, self.last, token_only=token_only) from error

    @property
    def system(self) -> Any:
        """The root of the SDK's services."""
        return self.connection.system_service()

    def wait(
        self,
        what: str,
        probe: Callable[[], Result],
        wanted: Callable[[Result], bool],
        limit_seconds: float,
        failed: Callable[[Result], bool] = lambda _: False,
        fixes: Callable[[Result], str] = lambda _: "",
        since: int | None = None,
    ) -> Result:
        """Waits, and where that fails says what the engine's events told meanwhile; `fixes` knows the fix for what was last seen.

        `since` is the last event before the order that is waited for: the engine may answer it with one before anybody waits.
        """
        since = self.last_event() if since is None else since
        seen: list[Result] = []

        def look() -> Result:
            seen[:] = [self.ask(what, probe)]
            return seen[0]

        try:
            return wait_for(
                what, look, wanted, min(limit_seconds, self.longest_seconds), failed, pause_seconds=self.pause_seconds, where=self.login.url
            )
        except EngineError:
            raise
        except LabError as error:
            told = self.events(since)
            before = "; the engine wrote no event meanwhile, and before that: "
            story = f"; the engine's events meanwhile: {' | '.join(told)}" if told else before + (self.newest_event() or "none at all")
            fix = fixes(seen[0]) or "read the events above, and the engine's log /var/log/ovirt-engine/engine.log"
            raise NotReached(f"{error}{story}; fix: {fix}") from None

    def last_event(self) -> int:
        """The number of the newest event."""
        events = self.ask("events", lambda: self.system.events_service().list(max=1))
        return int(events[0].index) if events and events[0].index is not None else 0

    def newest_event(self) -> str:
        """Its text, or nothing."""
        events = self.ask("events", lambda: self.system.events_service().list(max=1))
        return f"{word(events[0].severity)}: {events[0].description}" if events else ""

    def events(self, since: int) -> list[str]:
        """The newest events after that one, problems before all else, as `severity: text`."""
        events = self.ask("events", lambda: self.system.events_service().list(from_=since, max=200))
        later = sorted((event for event in events if (event.index or 0) > since), key=lambda event: event.index)
        grave = [event for event in later if word(event.severity) in ("warning", "error", "alert")]
        return [f"{word(event.severity)}: {event.description}" for event in (grave or later)[-EVENTS_SHOWN:]]


@contextmanager
def connect(login: Login, *, check: bool = False, patience_seconds: float = STARTING_SECONDS) -> Iterator[Engine]:
    """An engine, logged out of at the end.

    Raises InputError where the CA is missing: an engine whose certificate is not checked could be anyone.
    """
    if not login.url.startswith("https://"):
        raise InputError(f"{login.url}: must be https, since the password travels there; fix: https://ENGINE/ovirt-engine/api")
    if login.ca_file is None or not login.ca_file.is_file():
        raise InputError(f"{login.url}: its CA {login.ca_file or 'file'} is not there; fix: save the engine's CA as PEM and give its path")
    package = sdk()
    connection = package.Connection(
        url=login.url.rstrip("/"),
        username=login.user,
        password=login.password,
        token=login.token or None,
        ca_file=str(login.ca_file),
        timeout=REQUEST_SECONDS,
    )
    engine = Engine(login, check, patience_seconds, connection=connection)
    watch(engine, connection)
    try:
        yield engine
    finally:
        close(connection, package, keep=bool(login.token))


def watch(engine: Engine, connection: Any) -> None:
    """Counts requests, keeps what the SDK's errors leave out, and holds back every order in check mode."""
    send, wait = connection.send, connection.wait

    def watched_send(request: Any) -> Any:
        engine.last = Answer(request.method, request.path)
        if engine.check and request.method != "GET":
            raise RuntimeError(f"{request.method} {request.path} in check mode: a step of ours does not keep its promise")
        engine.requests += 1
        return send(request)

    def watched_wait(context: Any, failed_auth: bool = False) -> Any:
        response = wait(context, failed_auth)
        kinds = [line.partition(":")[2].strip() for line in response.headers if line.lower().startswith("content-type:")]
        engine.last = Answer(engine.last.method, engine.last.path, response.code, kinds[0] if kinds else "", bool(response.body))
        return response

    connection.send, connection.wait = watched_send, watched_wait


def close(connection: Any, package: Any, *, keep: bool) -> None:
    """Logs out, except from a session that was given to us; that it fails must not hide how the work ended."""
    try:
        connection.close(logout=not keep)
    except package.Error:
        connection.close(logout=False)

"""A connection to a cloud: every request goes through here, is counted, and fails with a message."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from lab.errors import InputError, LabError
from lab.openstack.errors import NOT_READY, Answer, CloudError, NotAnswered, translate
from lab.openstack.sdk import load
from lab.wait import wait_for

Result = TypeVar("Result")
REQUEST_SECONDS = 300
STARTING_SECONDS = 120  # services that start answer 503, or nothing at all, for that long on small machines
QUESTIONS = ("GET", "HEAD", "OPTIONS")
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 8.0


class NotReached(LabError):
    """What was waited for did not come; the cloud itself answered all along."""


@dataclass(frozen=True)
class Login:
    """Which cloud and who speaks to it. `repr` has no secret.

    `address` is what the names of all endpoints stand for, where the controller's DNS does not know them; certificates are checked
    against the names all the same.
    """

    auth_url: str
    user: str
    password: str = field(repr=False)
    project: str | None = None
    user_domain: str = "Default"
    project_domain: str = "Default"
    region: str | None = None
    ca_file: Path | None = None
    address: str | None = None
    system: bool = False

    @property
    def who(self) -> str:
        """As messages say it: `admin of Default in project Default/admin`."""
        scope = f"project {self.project_domain}/{self.project}" if self.project else "the system" if self.system else "no project"
        return f"{self.user} of {self.user_domain} in {scope}"


@dataclass
class Cloud:
    """A cloud that is logged in to on the first request. With `check` it refuses to send anything but questions."""

    login: Login
    check: bool = False
    patience_seconds: float = STARTING_SECONDS
    pause_seconds: float = FIRST_PAUSE_SECONDS
    longest_seconds: float = float("inf")
    requests: int = 0
    last: Answer = field(default_factory=Answer)
    connection: Any = None

    def ask(self, what: str, question: Callable[[], Result]) -> Result:
        """A request that changes nothing. Services that are starting are waited for, as is a connection that broke.

        Raises CloudError, and Gone where a service says that there is no object of that id.
        """
        until = time.monotonic() + self.patience_seconds
        while True:
            try:
                return self._send(what, question)
            except CloudError as error:
                known = isinstance(error, NotAnswered) or error.code in NOT_READY
                if not known or time.monotonic() > until:
                    raise
            time.sleep(min(1.0, self.patience_seconds / 10))

    def tell(self, what: str, order: Callable[[], Result]) -> Result:
        """A request that changes something. It is never sent twice, for the first may have been carried out.

        Raises CloudError.
        """
        return self._send(what, order)

    def _send(self, what: str, request: Callable[[], Result]) -> Result:
        self.last = Answer()
        try:
            return request()
        except Exception as error:
            # The SDK, keystoneauth and requests each have their own root; what none of them raised is a bug of ours.
            if not isinstance(error, spoken_errors()) and not self.last.is_foreign:
                raise
            raise translate(error, self.login.auth_url, self.login.who, what, self.last) from error

    def wait(
        self,
        what: str,
        probe: Callable[[], Result],
        wanted: Callable[[Result], bool],
        limit_seconds: float,
        failed: Callable[[Result], bool] = lambda _: False,
        story: Callable[[], str] = lambda: "",
    ) -> Result:
        """Waits, asking less and less often; where that fails, `story` tells what the cloud knows of the cause."""
        pause = [self.pause_seconds]

        def look() -> Result:
            seen = self.ask(what, probe)
            if not wanted(seen) and not failed(seen):
                time.sleep(pause[0])
                pause[0] = min(pause[0] * 1.5, LONGEST_PAUSE_SECONDS)
            return seen

        limit = min(limit_seconds, self.longest_seconds)
        try:
            return wait_for(what, look, wanted, limit, failed, pause_seconds=0, where=self.login.auth_url)
        except CloudError:
            raise
        except LabError as error:
            told = story()
            raise NotReached(
                f"{error}; {told or 'the cloud says nothing about the cause; fix: read the journal of its services'}"
            ) from None

    @property
    def project_id(self) -> str:
        """The id of the project that is logged in to; empty without one."""
        return str(self.ask("the login's project", lambda: self.connection.session.get_project_id()) or "")

    @property
    def user_id(self) -> str:
        """The id of who is logged in."""
        return str(self.ask("the login's user", lambda: self.connection.session.get_user_id()) or "")


def spoken_errors() -> tuple[type[Exception], ...]:
    """Roots of the errors that are meant for people."""
    return (
        load("openstack.exceptions").SDKException,
        load("keystoneauth1.exceptions").ClientException,
        load("requests").exceptions.RequestException,
    )


@contextmanager
def connect(login: Login, *, check: bool = False, patience_seconds: float = STARTING_SECONDS) -> Iterator[Cloud]:
    """A cloud; its connections are closed at the end.

    Raises InputError where the address or the CA cannot be right.
    """
    if not login.auth_url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        raise InputError(f"{login.auth_url}: must be https, since the password travels there; fix: https://NAME:5000/v3")
    if login.ca_file is not None and not login.ca_file.is_file():
        raise InputError(f"{login.auth_url}: its CA {login.ca_file} is not there; fix: save the CA as PEM and give its path")
    cloud = Cloud(login, check, patience_seconds)
    raw = transport(cloud)
    session = session_of(cloud, raw, login)
    config = load("openstack.config.cloud_region").CloudRegion(
        name="lab", region_name=login.region, session=session, config=settings(), app_name="strata"
    )
    cloud.connection = load("openstack.connection").Connection(config=config)
    try:
        yield cloud
    finally:
        cloud.connection.close()
        raw.close()


def settings() -> dict[str, Any]:
    """The SDK's own defaults, and nothing from files or the environment of whoever runs us; it repeats nothing by itself."""
    defaults: dict[str, Any] = load("openstack.config.defaults").get_defaults()
    return defaults | {"interface": "public", "verify": True, "status_code_retries": 0, "connect_retries": 0}


def session_of(cloud: Cloud, raw: Any, login: Login) -> Any:
    """A session of keystoneauth for a login; it renews a token that has expired by itself."""
    scope: dict[str, Any] = {}
    if login.project:
        scope = {"project_name": login.project, "project_domain_name": login.project_domain}
    elif login.system:
        scope = {"system_scope": "all"}
    auth = load("keystoneauth1.identity.v3").Password(
        auth_url=login.auth_url, username=login.user, password=login.password, user_domain_name=login.user_domain, **scope
    )
    verify: Any = str(login.ca_file) if login.ca_file else True
    # No connection is used twice (see `transport`), so servers need not keep them.
    return load("keystoneauth1.session").Session(
        auth=auth, session=raw, verify=verify, timeout=REQUEST_SECONDS, additional_headers={"Connection": "close"}
    )


def transport(cloud: Cloud) -> Any:
    """What carries requests: counts them, keeps the last answer, and holds back every order in check mode."""
    raw = load("requests").Session()
    raw.trust_env = False  # proxies of whoever runs us are not the lab's
    if cloud.login.address:
        raw.mount("https://", by_address(cloud.login.address))
    send = raw.send

    def watched(request: Any, **words: Any) -> Any:
        is_login = request.method == "POST" and urlsplit(request.url).path.endswith("/auth/tokens")
        if cloud.check and request.method not in QUESTIONS and not is_login:
            raise RuntimeError(f"{request.method} {request.url} in check mode: a step of ours does not keep its promise")
        cloud.requests += 1
        cloud.last = Answer(request.method, request.url)
        # A new connection every time: servers of WSGI close idle ones when they like, and an order that meets that moment is lost.
        raw.close()
        response = send(request, **words)
        failed = response.status_code >= 400
        body = response.text if failed or "html" in response.headers.get("Content-Type", "") else ""
        cloud.last = Answer(request.method, request.url, response.status_code, response.headers.get("Content-Type", ""), body)
        return response

    raw.send = watched
    return raw


def by_address(address: str) -> Any:
    """An adapter of requests that goes to one address and checks the certificate against the name in the URL."""
    adapters = load("requests.adapters")

    class ByAddress(adapters.HTTPAdapter):  # type: ignore[misc, name-defined]
        """Name in the URL, in the certificate and in Host; address on the wire."""

        def send(self, request: Any, *words: Any, **more: Any) -> Any:
            url = urlsplit(request.url)
            self.poolmanager.connection_pool_kw.update(server_hostname=url.hostname, assert_hostname=url.hostname)
            request.headers["Host"] = url.netloc
            request.url = urlunsplit(url._replace(netloc=f"{address}:{url.port or 443}"))
            response = super().send(request, *words, **more)
            response.url = urlunsplit(url)
            return response

    return ByAddress()

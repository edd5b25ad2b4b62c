"""A test double of a cloud: it speaks HTTP and the shapes of OpenStack's APIs, and nothing behind it is real.

It exists so that the real SDK sends its real requests to something strict: an unknown path, query or field of a body is an answer of
400 and ends the test. What a real cloud does with a request is proven on a real cloud only.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PASSWORD = "right-password"  # noqa: S105 - of nothing real


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass
class Fault:
    """What goes wrong: requests that match get this answer, so many times; status 0 breaks the connection."""

    method: str
    path: str
    status: int
    body: str = ""
    content_type: str = "application/json"
    times: int = 1


@dataclass
class Kept:
    """A collection: where it is, what its objects are called, and what a request may have."""

    path: str
    one: str
    many: str
    fields: set[str]
    query: set[str] = field(default_factory=set)
    defaults: dict[str, Any] = field(default_factory=dict)
    bare: bool = False  # objects stand alone in requests and answers, as Glance's do
    listed_at: str = ""


@dataclass
class Double:
    """All that the double knows."""

    kept: list[Kept]
    special: list[tuple[str, str, Callable[..., Any]]]
    objects: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    passwords: dict[str, str] = field(default_factory=lambda: {"admin": PASSWORD})
    tokens: set[str] = field(default_factory=set)
    links: set[tuple[str, ...]] = field(default_factory=set)
    behaviour: dict[str, Any] = field(default_factory=dict)
    number: int = 0
    url: str = ""

    @property
    def writes(self) -> list[str]:
        """What was sent to change something; logging in is not."""
        return [line for line in self.requests if not line.startswith(("GET", "HEAD")) and "/auth/tokens" not in line]

    def new_id(self) -> str:
        """Ids that look like what they are."""
        self.number += 1
        return f"00000000-0000-4000-8000-{self.number:012d}"

    def of(self, many: str) -> dict[str, dict[str, Any]]:
        """Objects of a collection by id."""
        return self.objects.setdefault(many, {})

    def named(self, many: str, name: str) -> dict[str, Any]:
        """The object of that name."""
        return next(item for item in self.of(many).values() if item["name"] == name)

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Any:
        """What is answered, or Refused."""
        for verb, pattern, handler in self.special:
            if verb == method and (found := re.fullmatch(pattern, path)):
                return handler(self, body, query, *found.groups())
        for kept in self.kept:
            at = kept.listed_at or kept.path
            if method == "GET" and path == at:
                self.only(query, kept.query | {"limit", "marker"}, f"query of {path}")
                wanted = {key: value for key, value in query.items() if key not in ("limit", "marker", "is_public")}
                items = [one for one in self.of(kept.many).values() if all(str(one.get(key)) == value for key, value in wanted.items())]
                return 200, {kept.many.rpartition("/")[2]: [self.shown(kept, one) for one in items] if "marker" not in query else []}
            if method == "POST" and path == kept.path:
                return 201, self.wrapped(kept, self.create(kept, body if kept.bare else body[kept.one]))
            if found := re.fullmatch(re.escape(kept.path) + r"/([^/]+)", path):
                return self.single(kept, method, found.group(1), body)
        raise Refused(400, f"strange path {method} {path}")

    def single(self, kept: Kept, method: str, ident: str, body: Any) -> Any:
        """One object by id."""
        item = self.of(kept.many).get(ident)
        if item is None:
            raise Refused(404, f"{kept.one} {ident} could not be found.")
        if method == "GET":
            return 200, self.wrapped(kept, item)
        if method == "DELETE":
            del self.of(kept.many)[ident]
            self.behaviour.get(f"delete {kept.one}", lambda *_: None)(self, ident)
            return 204, None
        if method in ("PUT", "PATCH"):
            values = body if kept.bare else body[kept.one]
            self.only(values, kept.fields, f"body of {kept.one}")
            item.update(values)
            return 200, self.wrapped(kept, item)
        raise Refused(405, method)

    def create(self, kept: Kept, values: dict[str, Any]) -> dict[str, Any]:
        """A new object with what such things have by themselves."""
        self.only(values, kept.fields, f"body of {kept.one}")
        ident = values["name"] if kept.one == "keypair" else self.new_id()
        item: dict[str, Any] = {"id": ident} | json.loads(json.dumps(kept.defaults)) | values
        made = self.behaviour.get(f"create {kept.one}")
        item = made(self, item) if made else item
        self.of(kept.many)[item["id"]] = item
        return item

    def shown(self, kept: Kept, item: dict[str, Any]) -> dict[str, Any]:
        """As it is listed."""
        view = self.behaviour.get(f"show {kept.one}")
        found = view(self, item) if view else item
        return {"keypair": found} if kept.one == "keypair" else found

    def wrapped(self, kept: Kept, item: dict[str, Any]) -> dict[str, Any]:
        """As it is answered alone."""
        shown = self.shown(kept, item)
        return shown if kept.bare or kept.one == "keypair" else {kept.one: shown}

    def only(self, given: dict[str, Any], known: set[str], where: str) -> None:
        """Strict: what the double does not know ends the test."""
        if strange := sorted(set(given) - known):
            raise Refused(400, f"strange {', '.join(strange)} in {where}")


class Handler(BaseHTTPRequestHandler):
    """HTTP in front of the double."""

    protocol_version = "HTTP/1.1"
    double: Double

    def handle_any(self) -> None:
        """Any request."""
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length) if length else self.chunks()
        self.double.requests.append(f"{self.command} {parts.path}{'?' + parts.query if parts.query else ''}")
        for fault in self.double.faults:
            if fault.times and fault.method == self.command and re.search(fault.path, parts.path):
                fault.times -= 1
                if not fault.status:
                    self.close_connection = True
                    self.connection.close()
                    return
                return self.send(fault.status, fault.body, fault.content_type)
        try:
            if (
                "/auth/tokens" not in parts.path
                and parts.path.count("/") > 2
                and self.headers.get("X-Auth-Token") not in self.double.tokens
            ):
                raise Refused(401, "The request you have made requires authentication.")
            body: Any = raw
            if raw and "octet-stream" not in self.headers.get("Content-Type", ""):
                body = json.loads(raw)
            query = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
            answer = self.double.answer(self.command, parts.path.rstrip("/"), query, body)
            status, content = answer[:2]
            self.send(status, "" if content is None else json.dumps(content), headers=answer[2] if len(answer) > 2 else {})
        except Refused as error:
            if error.message.startswith("strange"):
                self.double.strange.append(error.message)
            self.send(error.status, json.dumps({"error": {"code": error.status, "message": error.message}}))
        except Exception as error:
            self.double.strange.append(f"{self.command} {self.path}: {error!r}")
            self.send(500, json.dumps({"error": {"code": 500, "message": repr(error)}}))

    def chunks(self) -> bytes:
        """A body that is sent in pieces, as images are."""
        read = b""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return read
        while size := int(self.rfile.readline().strip() or b"0", 16):
            read += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return read

    def send(self, status: int, body: str, content_type: str = "application/json", headers: dict[str, str] | None = None) -> None:
        """One answer."""
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *words: Any) -> None:
        """Quiet."""

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_any


@contextmanager
def serve(double: Double) -> Iterator[Double]:
    """The double on a port of this computer."""
    handler = type("Bound", (Handler,), {"double": double})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    double.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def now() -> str:
    """A time as the services write it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

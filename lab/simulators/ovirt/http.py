"""HTTPS: reads requests, lets injected trouble happen, and sends what the API, the single sign-on or the admin endpoint answer."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit

from lab.simulators.ovirt import xml
from lab.simulators.ovirt.admin import Admin, Counters
from lab.simulators.ovirt.engine import API, NAME, Call, Engine
from lab.simulators.ovirt.errors import Fault
from lab.simulators.ovirt.events import Code
from lab.simulators.ovirt.injection import Injection
from lab.simulators.ovirt.root import api_root
from lab.simulators.ovirt.router import Answer, Router

SSO_TOKEN = ("/ovirt-engine/sso/oauth/token", "/ovirt-engine/sso/oauth/token-http-auth")
SSO_LOGOUT = "/ovirt-engine/services/sso-logout"
CA = "/ovirt-engine/services/pki-resource"
HEALTH = "/ovirt-engine/services/health"
ADMIN = "/simulator"
WRITES = ("POST", "PUT", "DELETE")
PROXY_PAGE = """<!DOCTYPE html>
<html><head><title>{status} Service</title></head><body><h1>{status}</h1><p>Injected by the oVirt engine simulator.</p></body></html>
"""

log = logging.getLogger("ovirt.simulator")


class Server(ThreadingHTTPServer):
    """One engine under one port."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], engine: Engine, router: Router, tls: ssl.SSLContext, ca_file: Path) -> None:
        """Listens; requests are answered from `serve_forever` on."""
        super().__init__(address, Handler)
        self.engine = engine
        self.router = router
        self.tls = tls
        self.ca_file = ca_file
        self.counters = Counters()
        self.admin = Admin(engine, self.counters)
        self._open: set[socket.socket] = set()
        self._mutex = threading.Lock()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The handshake is made in the connection's own thread, so that a silent client holds up nobody."""
        try:
            request.settimeout(60)
            wrapped = self.tls.wrap_socket(request, server_side=True)
        except OSError as error:
            log.info("handshake with %s failed: %s", client_address[0], error)
            self.shutdown_request(request)
            return
        with self._mutex:
            self._open.add(wrapped)
        try:
            super().process_request_thread(wrapped, client_address)
        finally:
            with self._mutex:
                self._open.discard(wrapped)

    def close_connections(self) -> None:
        """Ends connections kept open by clients."""
        with self._mutex:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""
        log.debug("connection with %s ended", client_address[0], exc_info=True)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Server
    disable_nagle_algorithm = True
    silent: ClassVar[tuple[str, ...]] = (ADMIN,)

    def version_string(self) -> str:
        """What the Server header says."""
        return "oVirt-engine-simulator"

    def log_message(self, format: str, *args: Any) -> None:
        """The access log."""
        log.debug("simulator %s", format % args)

    def do_GET(self) -> None:
        """Any method."""
        self._answer()

    do_POST = do_PUT = do_DELETE = do_OPTIONS = do_GET

    def _answer(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        correlation_id = self.headers.get("Correlation-Id") or str(uuid.uuid4())
        path = unquote(url.path).rstrip("/")
        if path.startswith(ADMIN):
            self._send(self.server.admin.answer(self.command, path.removeprefix(ADMIN), body, self.headers.get("Authorization", "")))
            return
        trouble = self.server.engine.injections.take(("slow", "unavailable", "html", "drop", "fault"), self.command, self.path)
        self.server.counters.count(self.command, path, is_write=path.startswith(API) and self.command in WRITES)
        if trouble and not self._suffer(trouble, correlation_id):
            return
        answer = self._reply(path, dict(parse_qsl(url.query, keep_blank_values=True)), body, correlation_id)
        self._send(answer, correlation_id)

    def _suffer(self, trouble: Injection, correlation_id: str) -> bool:
        """Lets it happen; whether the request is answered nevertheless."""
        log.info("injected: %s on %s %s", trouble.kind, self.command, self.path)
        if trouble.seconds:
            time.sleep(trouble.seconds)
        if trouble.kind == "slow":
            return True
        if trouble.kind == "drop":
            self.close_connection = True
            self.connection.close()
        elif trouble.kind == "fault":
            self._send(_fault(Fault(trouble.status, trouble.reason, trouble.detail)), correlation_id)
        else:
            page = PROXY_PAGE.format(status=trouble.status).encode()
            self._send(Answer(trouble.status, page, {"Retry-After": "1"}, "text/html"), correlation_id)
        return False

    def _reply(self, path: str, query: dict[str, str], body: bytes, correlation_id: str) -> Answer:
        engine = self.server.engine
        if path in SSO_TOKEN and self.command in ("POST", "GET"):
            return self._login(body, correlation_id)
        if path == SSO_LOGOUT and self.command == "POST":
            return _json(200, engine.sessions.logout(dict(parse_qsl(body.decode())).get("token", "")))
        if path == CA:
            return Answer(200, self.server.ca_file.read_bytes(), type="application/x-x509-ca-cert")
        if path == HEALTH:
            return Answer(200, b"DB Up!Welcome to Health Status!", type="text/plain")
        if path != API and not path.startswith(API + "/"):
            return Answer(404)
        if not engine.sessions.accepts(self.headers.get("Authorization", "")):
            return Answer(401, headers={"WWW-Authenticate": 'Basic realm="RESTAPI"'})
        call = Call(engine, self.command, query, correlation_id)
        try:
            with engine.store.transaction():
                if path == API:
                    return api_root(call, self.server.router)
                return self.server.router.answer(call, path.removeprefix(API), body)
        except Fault as fault:
            log.info("%s %s: %s", self.command, self.path, fault)
            return _fault(fault, is_action=self.command == "POST" and b"<action" in body[:200])
        except Exception:
            log.exception("%s %s: a bug of the simulator", self.command, self.path)
            return _fault(Fault(500, "Simulator error", f"This is a bug of the simulator, not of an engine; its log says more ({path})."))

    def _login(self, body: bytes, correlation_id: str) -> Answer:
        engine = self.server.engine
        form = dict(parse_qsl(body.decode()))
        status, answer = engine.sessions.login(form)
        call = Call(engine, correlation_id=correlation_id)
        user = form.get("username", "")
        with engine.store.transaction():
            if status == 200:
                call.event(Code.LOGIN, f"User {user} connecting from '{self.client_address[0]}' using session 'simulated' logged in.")
            else:
                call.event(Code.LOGIN_FAILED, f"User {user} connecting from '{self.client_address[0]}' failed to log in.")
        return _json(status, answer)

    def _send(self, answer: Answer, correlation_id: str = "") -> None:
        self.send_response(answer.status)
        if answer.body:
            self.send_header("Content-Type", f"{answer.type};charset=UTF-8")
        self.send_header("Content-Length", str(len(answer.body)))
        if correlation_id:
            self.send_header("Correlation-Id", correlation_id)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)


def _json(status: int, body: dict[str, Any]) -> Answer:
    return Answer(status, json.dumps(body).encode(), type="application/json")


def _fault(fault: Fault, *, is_action: bool = False) -> Answer:
    if not fault.reason:
        return Answer(fault.status)
    body = {"detail": fault.detail, "reason": fault.reason}
    if is_action:
        return Answer(fault.status, xml.write("action", "Action", {"fault": body, "status": "failed"}))
    return Answer(fault.status, xml.write("fault", "Fault", body))


def context(certificate: Path, key: Path) -> ssl.SSLContext:
    """How the server shows itself."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    return tls


__all__ = ["NAME", "Server", "context"]

"""Serves a simulator from a folder of its own, for as long as its process lives."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.errors import InputError, LabError
from lab.simulators.ovirt import http, images, tls
from lab.simulators.ovirt.auth import Sessions
from lab.simulators.ovirt.backend import Backend, BackendForTests
from lab.simulators.ovirt.engine import API, NAME, Call, Engine
from lab.simulators.ovirt.resources import hosts_watched, power, seed, transfers, tree
from lab.simulators.ovirt.router import Router
from lab.simulators.ovirt.store import Store
from lab.simulators.ovirt.transfer_daemon import TransferDaemon

USER = "admin@internal"
TOKEN_SECONDS = 3600.0
HTTPS = 443
NAMES = ("localhost", "127.0.0.1")
REAL_ENGINE = Path("/usr/share/ovirt-engine")

log = logging.getLogger("ovirt.simulator")


@dataclass(frozen=True)
class Served:
    """A running simulator, as a client has to know it."""

    url: str
    ca_file: Path
    user: str
    password: str
    engine: Engine
    server: http.Server

    @property
    def admin_url(self) -> str:
        """Where trouble is asked for; see lab/simulators/ovirt/admin.py."""
        return self.url.removesuffix(API) + http.ADMIN


@contextmanager
def serve(
    folder: Path,
    *,
    port: int = 0,
    address: str = "127.0.0.1",
    names: Sequence[str] = NAMES,
    backend: Backend | None = None,
    delays: Mapping[str, float] | None = None,
    token_seconds: float = TOKEN_SECONDS,
    transfer_port: int = 0,
    password_file: Path | None = None,
) -> Iterator[Served]:
    """Serves the state in the folder, which begins as a fresh engine; with port 0 on any free one, the same at the next start if free.

    The first of `names` is the one in the URL; the certificate is good for all of them. Every start goes on with what was left to do.
    With `transfer_port` 0 images are served on any free port. Without `password_file` a password is made in the folder.
    Raises InputError where a real engine lives, and LabError where another simulator serves the folder.
    """
    if port == HTTPS and REAL_ENGINE.exists():
        raise InputError(f"port 443: a real oVirt engine is installed here ({REAL_ENGINE}); fix: serve the simulator on another port")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _held(folder), contextlib.ExitStack() as stack:
        ca_file, certificate, key = tls.ensure(folder / "tls", names)
        store = Store(folder / "state.sqlite")
        stack.callback(store.close)
        password = read_password(password_file) if password_file else _password(folder)
        sessions = Sessions(USER, password, token_seconds)
        daemon = TransferDaemon(folder, address, (ca_file, certificate, key), transfer_port)
        engine = Engine(folder, store, sessions, backend or BackendForTests(), daemon)
        engine.delays |= delays or {}
        server = _listen(engine, address, port, http.context(certificate, key), ca_file)
        stack.callback(server.server_close)
        engine.url = f"https://{names[0]}:{server.server_address[1]}{API}"
        seed.plant(Call(engine))
        _go_on(engine)
        engine.start()
        stack.callback(engine.daemon.stop)
        stack.callback(engine.stop)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="https", daemon=True)
        thread.start()
        stack.callback(thread.join)
        stack.callback(server.close_connections)
        stack.callback(server.shutdown)
        log.warning("%s at %s; backend: %s", NAME, engine.url, engine.backend.name)
        yield Served(engine.url, ca_file, USER, password, engine, server)


def _go_on(engine: Engine) -> None:
    """What a stop or a kill left: clients may go on, and files that no disk has are dropped."""
    call = Call(engine)
    with engine.store.transaction():
        transfers.go_on(call)
        power.watch(call)
        hosts_watched.watch(call)
        known = {images.path(engine.images, disk).name for disk in engine.store.all("disk")}
        known |= {layer["_file"] for layer in engine.store.all("snapshot_disk", None)}
    if engine.images.is_dir():
        for file in engine.images.iterdir():
            if file.name not in known:
                file.unlink()


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Two simulators on one folder would spoil each other's state; the kernel gives the lock back when a process dies."""
    file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LabError(f"{folder}: another simulator serves it; fix: end that one, or name another folder") from None
        yield
    finally:
        os.close(file)


def _listen(engine: Engine, address: str, port: int, context: object, ca_file: Path) -> http.Server:
    router = Router(tree.roots())
    before = int(engine.store.value("port", "0"))
    for wanted in [port] if port else [before, 0]:
        try:
            server = http.Server((address, wanted), engine, router, context, ca_file)  # type: ignore[arg-type]
        except OSError as error:
            if port:
                raise LabError(f"{address}:{port}: {error.strerror}; fix: end what listens there, or name another port") from None
            continue
        engine.store.set_value("port", str(server.server_address[1]))
        return server
    raise LabError(f"{address}: no port is free")


def read_password(file: Path) -> str:
    """What stands in the file, without the line's end.

    Raises LabError where it cannot be read or is empty.
    """
    try:
        password = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise LabError(f"{file}: {error.strerror}; fix: write the engine's password there, mode 0600") from None
    if not password:
        raise LabError(f"{file}: is empty; fix: write the engine's password there, mode 0600")
    return password


def _password(folder: Path) -> str:
    file = folder / "password"
    if not file.exists():
        new = file.with_suffix(".new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(secrets.token_urlsafe(18) + "\n")
        new.replace(file)
    return file.read_text(encoding="utf-8").strip()

"""The real ovirt-imageio daemon, run beside the simulator; it serves the bytes of image transfers."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.simulators.ovirt import tether
from lab.wait import wait_for

START_SECONDS = 30
ANSWER_SECONDS = 30
END_SECONDS = 5
CONFIG = """[daemon]
poll_interval = 0.1
run_dir = {folder}
drop_privileges = false
systemd_enable = false
[tls]
key_file = {key}
cert_file = {certificate}
ca_file = {ca}
[remote]
host = {address}
port = {port}
[local]
enable = false
[control]
transport = unix
socket = {control}
remove_timeout = 10
[handlers]
keys = stderr
[logger_root]
level = INFO
handlers = stderr
"""


class TransferDaemon:
    """One daemon of this simulator. It is started with the first transfer, and ends with the simulator, also when that is killed."""

    def __init__(self, folder: Path, address: str, certificate: tuple[Path, Path, Path], port: int = 0) -> None:
        """`certificate` is the CA's file, the server's and its key's; port 0 is any free one."""
        self.folder = folder / "imageio"
        self.address = address
        self.ca, self.certificate, self.key = certificate
        self.port = port
        self._fixed_port = port
        self._child: subprocess.Popen[bytes] | None = None
        self._nbd: dict[str, subprocess.Popen[bytes]] = {}
        self._sockets: Path | None = None
        self._mutex = threading.Lock()

    def ensure(self) -> None:
        """Runs it where it does not run; raises LabError with what it said."""
        with self._mutex:
            if self.is_running:
                return
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # A path to a socket has 107 bytes at most, and our own folder may be deep; whoever keeps the daemon removes this one.
            self._sockets = Path(tempfile.mkdtemp(prefix="ovirt-simulator-"))
            self.port = self._choose_port()
            self._write_config()
            program = Path(sys.executable).parent / "ovirt-imageio"
            if not program.exists():
                raise LabError(f"{program}: is not installed; fix: ./inv (makes .venv with it)")
            command = [sys.executable, str(program), "-c", str(self.folder / "config")]
            self._child = self._start(command, str(self._sockets))
            wait_for(
                "the ovirt-imageio daemon answers", self._answers, bool, START_SECONDS, lambda _: self._has_ended(), 0.05, self._where()
            )

    def stop(self) -> None:
        """Ends it, and every image server."""
        with self._mutex:
            for name in list(self._nbd):
                _end(self._nbd.pop(name))
            if self._child:
                _end(self._child)
            self._child = None

    def serve_content(self, name: str, file: Path, format: str, *, is_read_only: bool) -> str:
        """Has an image's content served whatever its format; returns the address for a ticket."""
        self.ensure()
        if self._sockets is None:
            raise LabError(f"{self._where()}: has ended")
        socket_file = self._sockets / name
        self.end_content(name)
        socket_file.unlink(missing_ok=True)
        words = ["--socket", str(socket_file), "--format", format, "--persistent", "--shared=8", "--discard=unmap", "--export-name="]
        words += ["--detect-zeroes=unmap"] if not is_read_only else ["--read-only"]
        self._nbd[name] = self._start([qemu_nbd(), *words, str(file)], "-")
        child = self._nbd[name]
        what = f"qemu-nbd serves {file.name}"
        wait_for(what, socket_file.exists, bool, START_SECONDS, lambda _: child.poll() is not None, 0.02, self._where())
        return f"nbd:unix:{socket_file}"

    def end_content(self, name: str) -> None:
        """The image is not served any more, and all that was written is in its file."""
        if child := self._nbd.pop(name, None):
            _end(child)

    @property
    def is_running(self) -> bool:
        """Whether there is a daemon now."""
        return self._child is not None and self._child.poll() is None

    def add_ticket(self, ticket: dict[str, Any]) -> None:
        """Lets a client at an image under the ticket's id."""
        self.ensure()
        self._ask("PUT", ticket["uuid"], ticket)

    def extend_ticket(self, uuid: str, seconds: int) -> None:
        """Longer."""
        self._ask("PATCH", uuid, {"timeout": seconds})

    def ticket(self, uuid: str) -> dict[str, Any] | None:
        """What a client did so far; None where the daemon knows no such ticket."""
        return self._ask("GET", uuid) if self.is_running else None

    def remove_ticket(self, uuid: str) -> None:
        """No client can use it any more, and none does when this returns."""
        if self.is_running:
            self._ask("DELETE", uuid)

    def _ask(self, method: str, uuid: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        connection = _UnixConnection(str(self._sockets and self._sockets / "control"))
        try:
            connection.request(method, f"/tickets/{uuid}", json.dumps(body) if body is not None else None)
            answer = connection.getresponse()
            text = answer.read()
        except OSError as error:
            raise LabError(f"{self._where()}: {error}; fix: see {self.folder / 'daemon.log'}") from None
        finally:
            connection.close()
        if answer.status == 404:
            return None
        if answer.status >= 300:
            raise LabError(f"{self._where()}: {method} answered {answer.status}: {text.decode(errors='replace')}")
        found: dict[str, Any] = json.loads(text) if text else {}
        return found

    def _answers(self) -> bool:
        try:
            self._ask("GET", "none")
        except LabError:
            return False
        return True

    def _has_ended(self) -> bool:
        return self._child is None or self._child.poll() is not None

    def _where(self) -> str:
        return f"ovirt-imageio daemon in {self.folder}"

    def _write_config(self) -> None:
        config = self.folder / "config" / "conf.d"
        config.mkdir(parents=True, exist_ok=True)
        words = {"folder": self.folder, "key": self.key, "certificate": self.certificate, "ca": self.ca, "address": self.address}
        (config / "50-simulator.conf").write_text(
            CONFIG.format(**words, port=self.port, control=f"{self._sockets}/control"), encoding="utf-8"
        )

    def _choose_port(self) -> int:
        """The one of before where it is free, so that a client's address of a transfer outlives a restart."""
        if self._fixed_port:
            return self._fixed_port
        file = self.folder / "port"
        before = int(file.read_text(encoding="utf-8")) if file.exists() else 0
        for wanted in (before, 0):
            with socket.socket(socket.AF_INET6 if ":" in self.address else socket.AF_INET) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((self.address, wanted))
                except OSError:
                    continue
                port = int(probe.getsockname()[1])
                file.write_text(str(port), encoding="utf-8")
                return port
        raise LabError(f"{self.address}: no port is free")

    def _start(self, command: list[str], folder: str) -> subprocess.Popen[bytes]:
        keeper = [sys.executable, "-I", tether.__file__, folder]
        with (self.folder / "daemon.log").open("ab") as log:
            return subprocess.Popen([*keeper, *command], stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        """To the daemon's control socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    if child.stdin:
        child.stdin.close()


def qemu_nbd() -> str:
    """The program that serves an image's content whatever its format."""
    found = shutil.which("qemu-nbd")
    if not found:
        raise LabError("qemu-nbd: is not installed; fix: apt-get install qemu-utils")
    return found

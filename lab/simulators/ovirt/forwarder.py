"""A TCP connection in between that breaks on request: what a client sees of a network or a hypervisor that goes away in an upload."""

from __future__ import annotations

import contextlib
import select
import socket
import threading

CHUNK = 64 * 1024


class Forwarder:
    """Hands bytes on until `limit` went from clients to the target; then it cuts all connections once, and hands on again."""

    def __init__(self, address: str, target: tuple[str, int], limit: int) -> None:
        """Listens on a free port."""
        self._left = limit
        self._is_cut = False
        self._target = target
        self._listener = socket.create_server((address, 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._mutex = threading.Lock()
        threading.Thread(target=self._accept, name="forwarder", daemon=True).start()

    def close(self) -> None:
        """Ends."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._hand_on, args=(client,), daemon=True).start()

    def _hand_on(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, socket.create_connection(self._target) as server:
            with self._mutex:
                self._open |= {client, server}
            try:
                while True:
                    for source in select.select([client, server], [], [])[0]:
                        data = source.recv(CHUNK)
                        if not data:
                            return
                        if source is client and self._is_over(len(data)):
                            return
                        (server if source is client else client).sendall(data)
            finally:
                with self._mutex:
                    self._open -= {client, server}

    def _is_over(self, size: int) -> bool:
        if self._is_cut:
            return False
        with self._mutex:
            self._left -= size
            self._is_cut = self._left < 0
        if self._is_cut:
            self._cut()
        return self._is_cut

    def _cut(self) -> None:
        with self._mutex:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

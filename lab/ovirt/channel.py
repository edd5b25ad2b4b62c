"""The way bytes of images travel: imageio's HTTP interface on a hypervisor, or through the engine's proxy."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from lab.errors import LabError

ANSWER_SECONDS = 120
CONNECT_SECONDS = 15


class Broken(LabError):
    """The connection broke, or the hypervisor no longer knows the transfer: trying again may help."""


class Channel:
    """One transfer's image at one URL."""

    def __init__(self, url: str, ca_file: Path) -> None:
        self.url = url
        self._where = urlsplit(url)
        self._context = ssl.create_default_context(cafile=str(ca_file))
        self._connection: http.client.HTTPSConnection | None = None

    def features(self) -> list[str]:
        """What the daemon can do with this image; the first thing to ask, since it shows whether the URL can be reached."""
        found = json.loads(self._ask("OPTIONS")).get("features", [])
        return [str(feature) for feature in found]

    def put(self, start: int, data: bytes) -> None:
        """Writes bytes at an offset."""
        headers = {"Content-Range": f"bytes {start}-{start + len(data) - 1}/*", "Content-Type": "application/octet-stream"}
        self._ask("PUT", "?flush=n", data, headers)

    def flush(self) -> None:
        """Everything that was written is on the storage afterwards."""
        self._ask("PATCH", "", json.dumps({"op": "flush"}).encode(), {"Content-Type": "application/json"})

    def get(self, start: int, length: int) -> bytes:
        """Reads bytes at an offset."""
        return self._ask("GET", "", None, {"Range": f"bytes={start}-{start + length - 1}"})

    def extents(self) -> list[tuple[int, int, bool]]:
        """Start, length, and whether it is nothing, of every part of the image."""
        return [(int(part["start"]), int(part["length"]), bool(part["zero"])) for part in json.loads(self._ask("GET", "/extents"))]

    def checksum(self, algorithm: str, block_size: int) -> str:
        """Of the whole image as it is on the storage, computed there."""
        return str(json.loads(self._ask("GET", f"/checksum?algorithm={algorithm}&block_size={block_size}"))["checksum"])

    def close(self) -> None:
        """Drops the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, method: str, tail: str = "", body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
        try:
            if self._connection is None:
                self._connection = self._open()
            self._connection.request(method, self._where.path + tail, body, headers or {})
            answer = self._connection.getresponse()
            data = answer.read()
        except ssl.SSLCertVerificationError as error:
            self.close()
            fix = "the hypervisor's certificate must be signed by the engine's CA: enroll it again in the engine"
            raise LabError(f"{self.url}: its certificate is refused ({error.verify_message}); fix: {fix}") from None
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Broken(f"{self.url}: {method}: the connection broke ({error or type(error).__name__})") from None
        if answer.status >= 300:
            self.close()
            raise refused(self.url, method, answer.status, answer.getheader("Content-Type", ""), data)
        return data

    def _open(self) -> http.client.HTTPSConnection:
        connection = http.client.HTTPSConnection(
            str(self._where.hostname), self._where.port or 443, timeout=CONNECT_SECONDS, context=self._context
        )
        connection.connect()
        connection.sock.settimeout(ANSWER_SECONDS)
        return connection


def refused(url: str, method: str, status: int, kind: str, data: bytes) -> LabError:
    """What a refusal means. 401 and 403 are the daemon's words for a ticket that is gone, which the engine can renew."""
    if "html" in kind:
        return LabError(
            f"{url}: {method}: a web page came back (HTTP {status}), so a proxy answered; fix: let no proxy stand before port 54322"
        )
    said = data.decode(errors="replace").strip()[:300]
    if status in (502, 503, 504):
        return Broken(f"{url}: {method}: the image daemon is starting or stopping (HTTP {status})")
    if status in (401, 403, 404):
        return Broken(f"{url}: {method}: the transfer is not known there any more (HTTP {status}: {said})")
    if "No space left" in said or status == 507:
        return LabError(f"{url}: {method}: the storage is full ({said}); fix: free space on the storage domain")
    return LabError(f"{url}: {method}: HTTP {status}: {said}; fix: read /var/log/ovirt-imageio/daemon.log on the hypervisor")


def reachable(urls: list[str | None], ca_file: Path) -> tuple[Channel, list[str]]:
    """The first URL that answers: the hypervisor itself, else the engine's proxy.

    Raises LabError naming all of them.
    """
    problems = []
    for url in urls:
        if not url:
            continue
        channel = Channel(url, ca_file)
        try:
            return channel, channel.features()
        except LabError as error:
            problems.append(str(error))
    raise Broken(" | ".join(problems) or "the engine named no URL for the transfer")

"""Talks to the real qemu-guest-agent in the guest over its serial line, and makes facts of what it says."""

from __future__ import annotations

import contextlib
import itertools
import json
import select
import socket
import time
from typing import Any

ANSWER_SECONDS = 5.0
DELIMITER = b"\xff"


class Silent(Exception):
    """The agent did not answer: it does not run yet, or not any more."""


class Agent:
    """One end of the line; the other is the guest's serial port, which echoes what it gets until the agent has opened it."""

    def __init__(self, line: socket.socket) -> None:
        """`line` carries the guest's bytes."""
        self._line = line
        self._numbers = itertools.count(int(time.time()) % 1_000_000 + 1)
        self._buffer = b""

    def ask(self, command: str, arguments: dict[str, Any] | None = None, seconds: float = ANSWER_SECONDS) -> Any:
        """What the agent returns.

        Raises Silent where it says nothing in time, and RuntimeError with its words where it refuses.
        """
        limit = time.monotonic() + seconds
        number = next(self._numbers)
        # The agent forgets what it has read of a broken question, and says so: one more answer to pass over.
        self._send(DELIMITER + _line({"execute": "guest-sync", "arguments": {"id": number}}), limit)
        while self._answer(limit) != {"return": number}:  # complaints, and what is left of earlier questions
            continue
        self._send(_line({"execute": command} | ({"arguments": arguments} if arguments else {})), limit)
        answer = self._answer(limit)
        if "error" in answer:
            raise RuntimeError(f"{command}: {answer['error'].get('desc', answer['error'])}")
        return answer.get("return")

    def tell(self, command: str, arguments: dict[str, Any]) -> None:
        """For commands the agent does not answer, as the guest may be gone by then; an answer is a refusal, raised as RuntimeError."""
        with contextlib.suppress(Silent):
            self.ask(command, arguments, 2.0)

    def _send(self, data: bytes, limit: float) -> None:
        while data:
            if not select.select([], [self._line], [], max(0.0, limit - time.monotonic()))[1]:
                raise Silent
            with contextlib.suppress(BlockingIOError):
                data = data[self._line.send(data) :]

    def _answer(self, limit: float) -> dict[str, Any]:
        """The next line that is an answer; echoes, boot messages and broken lines are passed over."""
        while True:
            while b"\n" not in self._buffer:
                if not select.select([self._line], [], [], max(0.0, limit - time.monotonic()))[0]:
                    raise Silent
                if not (data := self._line.recv(65536)):
                    raise Silent
                self._buffer += data
            line, _, self._buffer = self._buffer.partition(b"\n")
            with contextlib.suppress(ValueError):
                found = json.loads(line.replace(DELIMITER, b"").strip())
                if isinstance(found, dict) and ("return" in found or "error" in found):
                    return found


def _line(question: dict[str, Any]) -> bytes:
    return json.dumps(question).encode() + b"\n"


def look(agent: Agent) -> dict[str, Any]:
    """`{name, devices: [{name, mac, ips: [{address, version}]}], guest: {...}}` as the guest has them now.

    Raises Silent.
    """
    found: dict[str, Any] = {"name": agent.ask("guest-get-host-name")["host-name"]}
    found["devices"] = devices(agent.ask("guest-network-get-interfaces"))
    found["guest"] = system(agent.ask("guest-get-osinfo"))
    return found


def devices(interfaces: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The guest's cards with their addresses, without its loopback."""
    found = []
    for each in interfaces:
        if each["name"] == "lo":
            continue
        ips = [
            {"address": ip["ip-address"], "version": {"ipv4": "v4", "ipv6": "v6"}[ip["ip-address-type"]]}
            for ip in each.get("ip-addresses", [])
        ]
        found.append({"name": each["name"], "mac": each.get("hardware-address", ""), "ips": ips})
    return found


def system(said: dict[str, Any]) -> dict[str, str]:
    """The guest's operating system in the API's words."""
    found = {"architecture": said.get("machine", ""), "distribution": said.get("name", ""), "codename": said.get("version", "")}
    return {name: value for name, value in (found | {"family": "Linux"}).items() if value}

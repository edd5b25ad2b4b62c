"""What runs beside a virtual machine's kernel: reading its disk's partitions, and talking to its guest agent."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.simulators.ovirt.machines.guest import agent as agents
from lab.simulators.ovirt.machines.guest.agent import Agent, Silent
from lab.simulators.ovirt.machines.guest.disks import SECTOR, DiskError, root_partition

ROOT = "e3bc684fcde8b14d96e7fbcaf984b709"  # as GPT has it: the first three groups are little-endian
LINUX = "af3dc60f838472478e793d69d8477de4"
BOOT = "4861682149646f6e744e656564454649"


def gpt(file: Path, *entries: tuple[str, int, int]) -> Path:
    """A disk with these partitions: type, first and last sector."""
    table = b"".join(bytes.fromhex(kind) + bytes(16) + struct.pack("<QQ", first, last) + bytes(80) for kind, first, last in entries)
    header = b"EFI PART" + bytes(64) + struct.pack("<QII", 2, len(entries), 128)
    file.write_bytes(bytes(510) + b"\x55\xaa" + header.ljust(SECTOR, b"\0") + table)
    return file


def test_a_partition_of_type_root_is_booted_though_another_is_larger(tmp_path: Path) -> None:
    assert root_partition(gpt(tmp_path / "disk", (BOOT, 34, 99), (LINUX, 100, 90000), (ROOT, 90001, 95000))) == 3


def test_the_largest_partition_of_linux_is_booted_where_none_is_of_type_root(tmp_path: Path) -> None:
    assert root_partition(gpt(tmp_path / "disk", (BOOT, 34, 99999), (LINUX, 100, 200), (LINUX, 201, 9000))) == 3


def test_a_disk_without_partitions_is_the_file_system(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(bytes(4096))
    assert root_partition(tmp_path / "disk") == 0


def test_the_largest_partition_of_an_old_table_is_booted(tmp_path: Path) -> None:
    entries = [
        bytes([0, 0, 0, 0, kind, 0, 0, 0]) + struct.pack("<II", 2048, size) for kind, size in ((0x83, 100), (0x82, 900), (0x83, 500))
    ]
    (tmp_path / "disk").write_bytes(bytes(446) + b"".join(entries) + bytes(16) + b"\x55\xaa" + bytes(SECTOR))
    assert root_partition(tmp_path / "disk") == 3


def test_partitions_of_which_none_is_of_linux_are_refused_with_a_fix(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="none of them is one of Linux; fix: make the image with a root partition"):
        root_partition(gpt(tmp_path / "disk", (BOOT, 34, 99)))


@pytest.fixture
def line() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Our end of the line and the guest's."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    yield ours, theirs
    ours.close()
    theirs.close()


def answering(guest: socket.socket, answer: Callable[[dict[str, Any]], bytes]) -> None:
    """A guest agent at the other end, as the real one: it complains of a delimiter outside of any question."""

    def serve() -> None:
        stream = guest.makefile("rb")
        for text in stream:
            if text.startswith(b"\xff"):
                guest.sendall(b'{"error": {"class": "GenericError", "desc": "JSON parse error, stray 0xFF"}}\n')
            guest.sendall(answer(json.loads(text.lstrip(b"\xff"))))

    threading.Thread(target=serve, daemon=True).start()


def returned(found: Any) -> bytes:
    return json.dumps({"return": found}).encode() + b"\n"


FACTS: dict[str, Any] = {
    "guest-get-host-name": {"host-name": "tenant"},
    "guest-network-get-interfaces": [
        {"name": "lo", "ip-addresses": [{"ip-address": "127.0.0.1", "ip-address-type": "ipv4", "prefix": 8}]},
        {"name": "eth0", "hardware-address": "56:6f:00:00:00:01", "ip-addresses": [{"ip-address": "10.0.0.7", "ip-address-type": "ipv4"}]},
        {"name": "eth1", "hardware-address": "56:6f:00:00:00:02"},
    ],
    "guest-get-osinfo": {"name": "Debian GNU/Linux", "version": "13 (trixie)", "machine": "x86_64"},
}


def test_what_the_agent_says_becomes_name_cards_and_system(line: tuple[socket.socket, socket.socket]) -> None:
    answering(line[1], lambda asked: returned(asked["arguments"]["id"] if asked["execute"] == "guest-sync" else FACTS[asked["execute"]]))
    assert agents.look(Agent(line[0])) == {
        "name": "tenant",
        "devices": [
            {"name": "eth0", "mac": "56:6f:00:00:00:01", "ips": [{"address": "10.0.0.7", "version": "v4"}]},
            {"name": "eth1", "mac": "56:6f:00:00:00:02", "ips": []},
        ],
        "guest": {"architecture": "x86_64", "distribution": "Debian GNU/Linux", "codename": "13 (trixie)", "family": "Linux"},
    }


def test_echoes_boot_messages_and_answers_to_older_questions_are_passed_over(line: tuple[socket.socket, socket.socket]) -> None:
    def noisy(asked: dict[str, Any]) -> bytes:
        echo = b"[  OK  ] Started something\r\n" + json.dumps(asked).encode() + b"\n" + returned(17)
        return echo + returned(asked["arguments"]["id"]) if asked["execute"] == "guest-sync" else returned(FACTS[asked["execute"]])

    answering(line[1], noisy)
    assert Agent(line[0]).ask("guest-get-host-name") == {"host-name": "tenant"}


def test_a_guest_without_an_agent_is_silent(line: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(Silent):
        Agent(line[0]).ask("guest-get-host-name", seconds=0.1)


def test_what_the_agent_refuses_is_said_in_its_words(line: tuple[socket.socket, socket.socket]) -> None:
    error = b'{"error": {"class": "CommandNotFound", "desc": "The command guest-get-osinfo has not been found"}}\n'
    answering(line[1], lambda asked: returned(asked["arguments"]["id"]) if asked["execute"] == "guest-sync" else error)
    with pytest.raises(RuntimeError, match="guest-get-osinfo: The command guest-get-osinfo has not been found"):
        Agent(line[0]).ask("guest-get-osinfo")

"""Machines without a kernel of their own, as far as they can be seen without root."""

from __future__ import annotations

import json
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.errors import InputError
from lab.simulators.ovirt.backend import Disk, Hypervisor, Machine
from lab.simulators.ovirt.machines import backends, container, spec, uml
from lab.simulators.ovirt.machines.guest import box
from lab.simulators.ovirt.machines.guest.agent import Silent
from lab.simulators.ovirt.machines.guest.disks import DiskError

GIVEN = {
    "site": "lab",
    "project": "/here/id.pub",
    "engine": {"container": "lab-engine", "address": "10.1.0.5", "fqdn": "engine.lab.internal"},
    "hypervisors": {"10.1.0.6": "lab-hv1"},
    "suite": "trixie",
}
TABLE = {
    "partitiontable": {
        "partitions": [{"node": "/d/disk0p14", "start": 2048, "size": 2048}, {"node": "/d/disk0p1", "start": 65536, "size": 8}]
    }
}


def read(folder: Path, backend: str) -> spec.Spec:
    return spec.read(GIVEN | {"folder": str(folder), "backend": backend, "password_file": str(folder / "password")})


def machine(folder: Path) -> Machine:
    return Machine("1-2", "web", Hypervisor("3", "hv1", "10.1.0.6"), 512 * 1024**2, 1, [Disk(folder / "a.qcow2", "qcow2", True, 1)], [])


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Every command that was to be run; none is, and sfdisk's answer is TABLE."""
    found: list[list[str]] = []

    def call(words: list[str], allowed: tuple[int, ...] = (0,), more: str = "") -> str:
        found.append(words)
        return json.dumps(TABLE) if words[0] == "sfdisk" else "/dev/loop7\n"

    monkeypatch.setattr(box, "_call", call)
    return found


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """`agent(answer)`: a socket where every line is answered by its id, or by this; returns its file."""
    listeners = []

    def serve(listener: socket.socket, answer: str) -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            with line, line.makefile("rwb") as stream:
                for asked in stream:
                    if asked.startswith(b"\xff"):  # as the real one does
                        stream.write(b'{"error": {"class": "GenericError", "desc": "JSON parse error, stray"}}\n')
                    question = json.loads(asked.lstrip(b"\xff"))
                    said = json.dumps({"return": question["arguments"]["id"]}) if question["execute"] == "guest-sync" else answer
                    stream.write(said.encode() + b"\n")
                    stream.flush()

    def start(answer: str) -> Path:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / "agent"))
        listener.listen()
        listeners.append(listener)
        threading.Thread(target=serve, args=(listener, answer), daemon=True).start()
        return tmp_path / "agent"

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def test_the_backend_is_the_one_that_was_asked_for_and_says_what_it_is(tmp_path: Path) -> None:
    found = {name: read(tmp_path, name) for name in ("auto", "vm", "container")}
    assert {name: backends.title(each) for name, each in found.items()} == {"auto": uml.NAME, "vm": uml.NAME, "container": container.NAME}
    assert {name: backends.backend(each).name for name, each in found.items()} == {
        name: backends.title(each) for name, each in found.items()
    }
    with pytest.raises(InputError, match="backend 'box' does not exist"):
        read(tmp_path, "box")


def test_only_the_program_in_its_container_is_another(tmp_path: Path) -> None:
    words = [backends.backend(read(tmp_path, name))._words("lab-web", machine(tmp_path), tmp_path, None) for name in ("vm", "container")]  # type: ignore[attr-defined]
    assert [(ours, theirs) for theirs, ours in zip(*words, strict=True) if ours != theirs] == [("guest.box", "guest.run")]


def test_an_agent_on_a_socket_is_asked_anew_every_time(agent: Callable[[str], Path]) -> None:
    asked = box.SocketAgent(agent('{"return": {"host-name": "web"}}'))
    assert [asked.ask("guest-get-host-name") for _ in range(3)] == [{"host-name": "web"}] * 3


def test_what_an_agent_refuses_is_told_in_its_words(agent: Callable[[str], Path]) -> None:
    asked = box.SocketAgent(agent('{"error": {"desc": "no such command"}}'))
    with pytest.raises(RuntimeError, match="guest-dance: no such command"):
        asked.ask("guest-dance")


def test_an_agent_that_does_not_run_yet_is_silent(tmp_path: Path) -> None:
    with pytest.raises(Silent):
        box.SocketAgent(tmp_path / "agent").ask("guest-ping")


def test_a_place_on_the_disk_is_in_bytes(calls: list[list[str]]) -> None:
    assert box.place(Path("/d/disk0"), 1) == (65536 * 512, 8 * 512)
    assert box.place(Path("/d/disk0"), 14) == (2048 * 512, 2048 * 512)


def test_a_disk_without_partitions_is_all_root(tmp_path: Path, calls: list[list[str]]) -> None:
    (tmp_path / "disk").write_bytes(bytes(8192))
    assert box.root_place(tmp_path / "disk") == (0, 8192)
    assert calls == []


def test_a_loop_device_is_given_back_before_it_is_used_so_that_it_never_stays(
    calls: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "loop").touch()
    monkeypatch.setattr(box, "_call", lambda words, **_: calls.append(words) or f"{tmp_path}/loop\n")  # type: ignore[func-returns-value]
    with box.attached(Path("/d/disk0"), 512, 4096) as device:
        assert device == f"{tmp_path}/loop"
        assert calls == [["losetup", "--find", "--show", "--offset=512", "--sizelimit=4096", "/d/disk0"], ["losetup", "--detach", device]]


def test_a_controller_without_loop_devices_is_told_what_else_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "losetup").write_text("#!/bin/sh\necho 'losetup: cannot find an unused loop device' >&2\nexit 1\n")
    (tmp_path / "losetup").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    said = r"losetup --find: .* unused loop device; fix: is there a free loop device .* choose backend vm, which needs none"
    with pytest.raises(DiskError, match=said), box.attached(Path("/d/disk0"), 0, 1):
        pass


def test_a_file_system_is_known_by_its_mark(tmp_path: Path) -> None:
    (tmp_path / "ext").write_bytes(bytes(1024 + 56) + b"\x53\xef")
    (tmp_path / "other").write_bytes(b"XFSB" + bytes(2048))
    assert (box.is_ext(str(tmp_path / "ext")), box.is_ext(str(tmp_path / "other"))) == (True, False)


def test_a_card_is_the_end_of_a_cable_with_its_own_address(calls: list[list[str]]) -> None:
    box.plug_in([{"mac": "52:54:00:00:00:01", "mtu": 9000}])
    assert [" ".join(words) for words in calls] == [
        "ip netns add guest",
        "ip link delete dev tap0",
        "ip link add name tap0 mtu 9000 type veth peer name eth0 address 52:54:00:00:00:01 mtu 9000 netns guest",
        "ip link set dev tap0 master bridge0 up",
    ]


def test_a_drive_is_where_cloud_init_looks_in_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = f"--bind-ro={tmp_path}:/var/lib/cloud/seed/config_drive"
    monkeypatch.setattr(box, "DRIVE", tmp_path)
    assert seed in box.nspawn(Path("/unit"))
    monkeypatch.setattr(box, "DRIVE", tmp_path / "none")
    assert not any("seed" in word for word in box.nspawn(Path("/unit")))


@pytest.mark.parametrize(
    ("runs", "why"),
    [
        ([0], "User shut down from within the guest"),
        ([133, 133, 0], "User shut down from within the guest"),
        ([1], "the guest's systemd ended with code 1: b | c | d"),
    ],
)
def test_a_guest_that_reboots_is_started_again_until_it_stays_off(
    runs: list[int], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = list(runs)
    found, ended = guest(tmp_path, monkeypatch, lambda: left.pop(0))
    assert (found.run(), left, ended) == (why, [], ["unmounted", "closed"])


def test_a_guest_whose_plug_was_pulled_says_so_and_its_disk_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pulled() -> int:
        found.unplug()
        return -9

    found, ended = guest(tmp_path, monkeypatch, pulled)
    assert (found.run(), ended) == ("powered off", ["unmounted", "closed"])


def test_further_disks_are_refused_and_not_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, ended = guest(tmp_path, monkeypatch, lambda: 0, disks=2)
    with pytest.raises(DiskError, match=r"it has 2 disks, .* can be given one; fix: give it one, or choose backend vm for the engine"):
        found.run()
    assert ended == []


def guest(folder: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[[], int], disks: int = 1) -> tuple[box.Box, list[str]]:
    """A guest whose runs end as `run` says, and the list of what was let go at the end."""
    ended: list[str] = []

    class Export:
        def __init__(self, *_: Any) -> None:
            self.files = [folder / "disk0"]

        def close(self) -> None:
            ended.append("closed")

    @contextmanager
    def mounted(_: Path) -> Iterator[None]:
        try:
            yield
        finally:
            ended.append("unmounted")

    (folder / "machine.json").write_text(
        json.dumps({"memory_mib": 512, "cpu": 0, "disks": [{"file": "a", "format": "qcow2"}] * disks, "cards": []})
    )
    (folder / "plugged").touch()
    monkeypatch.setattr(box, "Export", Export)
    monkeypatch.setattr(box, "mounted", mounted)
    monkeypatch.setattr(box, "plug_in", lambda cards: None)
    monkeypatch.setattr(box.Box, "_boot_systemd", lambda self: (run(), deque("abcd")))
    return box.Box(folder), ended


def test_a_command_that_fails_is_told_by_its_last_line() -> None:
    with pytest.raises(DiskError, match=r"sh -c: no magic; fix: is this a disk of Linux for amd64\?"):
        box._call(["sh", "-c", "echo x; echo no magic >&2; exit 3"])
    assert box._call(["sh", "-c", "exit 1"], allowed=(0, 1)) == ""

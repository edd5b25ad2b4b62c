"""What decides whether a machine can be a node, read from the files a kernel shows."""

import importlib.util
import socket
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FILE = Path(__file__).parents[3] / "roles" / "kubernetes_node" / "library" / "kubernetes_node_facts.py"


@pytest.fixture(scope="module")
def facts() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kubernetes_node_facts", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_memory_is_the_whole_of_it(facts: Any) -> None:
    assert facts.memory_mib("MemFree: 12 kB\nMemTotal:        2097152 kB\n") == 2048


def test_swap_is_named_by_where_it_goes(facts: Any) -> None:
    assert facts.swap("Filename Type Size Used Priority\n/dev/sda2 partition 524284 0 -2\n") == ["/dev/sda2"]
    assert facts.swap("Filename Type Size Used Priority\n") == []


def test_the_clock_is_off_by_what_chrony_says(facts: Any) -> None:
    line = "0A401E01,10.64.30.1,11,1763773200.1,-7.250000000,0.000001,0.000004,-0.1,0.0,0.2,0.001,0.002,64.1,Normal\n"
    assert facts.offset_seconds(line) == -7.25
    assert facts.offset_seconds("") == 0.0


def test_what_kubeadm_would_refuse_is_said(facts: Any) -> None:
    assert facts.notice(["cpu", "cpuset", "memory"], 2) == ""
    said = facts.notice(["cpu", "memory"], 1)
    assert "one processor (check NumCPU), and its kernel has no control group for sets" in said


def test_a_resolver_that_says_try_again_is_asked_again(facts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [socket.gaierror(socket.EAI_AGAIN, "try again"), [(2, 1, 6, "", ("10.64.30.41", 0))]]

    def resolve(*_: Any) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(facts.socket, "getaddrinfo", resolve)
    assert facts.addresses("cp1", pause=0) == ["10.64.30.41"]


def test_a_name_nobody_knows_has_no_address(facts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(facts.socket, "getaddrinfo", resolve)
    assert facts.addresses("nobody", pause=0) == []

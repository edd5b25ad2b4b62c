"""When certificates of a control plane are renewed, and what is restarted for it."""

import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FILE = Path(__file__).parents[3] / "roles" / "kubernetes_control_plane" / "files" / "kubernetes_certificates.py"
DAY = 86400


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kubernetes_certificates", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def certificates(**days: int) -> str:
    return json.dumps({"certificates": [{"name": name, "residualTime": left * DAY, "missing": False} for name, left in days.items()]})


def containers(**began: float) -> str:
    found = [
        {"id": f"id-{name}", "metadata": {"name": name.replace("_", "-")}, "createdAt": str(int(at * 1e9))} for name, at in began.items()
    ]
    return json.dumps({"containers": found})


def test_only_what_ends_within_a_quarter_of_a_year_is_renewed(program: Any) -> None:
    assert program.ending(certificates(apiserver=364, admin=89)) == ["admin"]
    assert program.ending(certificates(apiserver=91)) == []


def test_a_certificate_this_machine_does_not_have_never_ends(program: Any) -> None:
    text = json.dumps({"certificates": [{"name": "super-admin.conf", "residualTime": 0, "missing": True}]})
    assert program.ending(text) == []


def test_only_the_control_plane_is_restarted_and_only_where_it_is_older(program: Any) -> None:
    text = containers(etcd=100, kube_apiserver=300, coredns=1)
    assert program.older(text, 200) == [("etcd", "id-etcd")]


def test_the_kubelets_own_certificate_restarts_nobody(program: Any, tmp_path: Path) -> None:
    (tmp_path / "pki" / "etcd").mkdir(parents=True)
    for name, when in (("pki/ca.crt", 100), ("pki/etcd/server.crt", 200), ("admin.conf", 150), ("kubelet.conf", 900)):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (when, when))
    assert program.newest(tmp_path) == 200


def test_a_call_with_nothing_to_do_changes_and_says_nothing(program: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    called = []

    def run(*argv: str) -> str:
        called.append(argv[:3])
        return certificates(apiserver=300) if argv[0] == "kubeadm" else containers(etcd=500)

    monkeypatch.setattr(program, "run", run)
    monkeypatch.setattr(program, "newest", lambda: 400.0)
    program.main([])
    assert capsys.readouterr().out == ""
    assert called == [("kubeadm", "certs", "check-expiration"), ("crictl", "ps", "--output")]


def test_what_was_cut_off_between_renewing_and_restarting_is_finished(program: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(program, "run", lambda *argv: certificates(apiserver=364) if argv[0] == "kubeadm" else containers(etcd=500))
    monkeypatch.setattr(program, "newest", lambda: 600.0)
    program.main([])
    assert capsys.readouterr().out == "etcd: restarted with newer certificates\n"

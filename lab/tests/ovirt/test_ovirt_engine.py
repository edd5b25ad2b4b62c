"""How a connection fails, over real HTTPS: every failure says where, what, why and what to do, and none is taken for an absence."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import pytest

from lab.errors import InputError, LabError
from lab.ovirt import steps
from lab.ovirt.engine import Engine, Login, connect
from lab.ovirt.errors import EngineError, Gone
from lab.ovirt.model import thing
from lab.ovirt.state import State
from lab.tests.ovirt.conftest import Admin

CENTER = thing("data_center", {"name": "lab"})


def refused(login: Login) -> str:
    with connect(login, patience_seconds=0) as engine, pytest.raises(LabError) as error:
        steps.ensure(engine, CENTER)
    assert str(error.value).startswith(login.url)
    assert "; fix: " in str(error.value)
    return str(error.value)


def test_a_wrong_password_names_the_user_and_not_the_password(login: Login) -> None:
    said = refused(dataclasses.replace(login, password="swordfish"))
    assert f"data centers: login of {login.user} failed: access_denied" in said
    assert "swordfish" not in said


def test_a_wrong_ca_is_said_before_the_password_travels(login: Login, tmp_path: Path, admin: Admin) -> None:
    other = tmp_path / "other.pem"
    words = ["-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=other", "-days", "1", "-out", str(other)]
    subprocess.run(["openssl", "req", *words], check=True, capture_output=True)
    assert "its certificate is not signed by the CA we were given" in refused(dataclasses.replace(login, ca_file=other))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ca_file": Path("/nowhere/ca.pem")}, "its CA /nowhere/ca.pem is not there; fix: save the engine's CA"),
        ({"ca_file": None}, "its CA file is not there; fix: "),
        ({"url": "http://engine/ovirt-engine/api"}, "must be https, since the password travels there"),
    ],
)
def test_what_cannot_be_safe_is_refused_before_anything_is_sent(login: Login, change: dict[str, Path], message: str) -> None:
    with pytest.raises(InputError, match=message), connect(dataclasses.replace(login, **change)):  # type: ignore[arg-type]
        pass


def test_nobody_listening_is_said(login: Login) -> None:
    assert "nothing answers there" in refused(dataclasses.replace(login, url="https://localhost:9/ovirt-engine/api"))


@pytest.mark.parametrize("status", [200, 401, 404, 503])
def test_a_web_page_of_a_proxy_is_never_an_absence(engine: Engine, admin: Admin, status: int) -> None:
    engine.patience_seconds = 0
    steps.ensure(engine, CENTER)
    admin.fault("html", path="datacenters", status=status)
    with pytest.raises(EngineError) as error:
        steps.ensure(engine, CENTER)
    assert not isinstance(error.value, Gone)
    assert "a proxy or web server answered, not the engine" in str(error.value)
    assert "GET /datacenters is text/html" in str(error.value)


def test_an_expired_session_is_renewed_and_nobody_notices(engine: Engine, admin: Admin) -> None:
    steps.ensure(engine, CENTER)
    assert admin.ask("POST", "/tokens", expire=True)["expired"]
    assert steps.ensure(engine, CENTER).changed is False


def test_an_expired_token_without_a_password_says_so(login: Login, engine: Engine, admin: Admin) -> None:
    steps.ensure(engine, CENTER)
    token = engine.connection.authenticate()
    with connect(dataclasses.replace(login, password="", token=token)) as other:
        assert steps.ensure(other, CENTER).changed is False
        admin.ask("POST", "/tokens", expire=True)
        with pytest.raises(EngineError, match="data centers: the token it was given has expired; fix: log in again as"):
            steps.ensure(other, CENTER)


def test_an_engine_that_is_starting_is_waited_for(engine: Engine, admin: Admin) -> None:
    admin.fault("unavailable", path="datacenters", times=2)
    assert steps.ensure(engine, CENTER).changed is True


def test_an_engine_that_never_starts_is_not_waited_for_without_end(engine: Engine, admin: Admin) -> None:
    engine.patience_seconds = 1
    admin.fault("unavailable", path="datacenters")
    with pytest.raises(EngineError, match=r"HTTP 503"):
        steps.ensure(engine, CENTER)


def test_an_order_is_never_sent_twice(engine: Engine, admin: Admin) -> None:
    admin.fault("unavailable", path="datacenters", method="POST")
    admin.forget()
    with pytest.raises(EngineError, match="data center lab: create: "):
        steps.ensure(engine, CENTER)
    assert sum(line.startswith("POST") and "datacenters" in line for line in admin.requests()) == 1


def test_a_refusal_is_shown_in_the_engines_words(engine: Engine, admin: Admin) -> None:
    admin.fault("fault", path="datacenters", method="POST", status=409, reason="Operation Failed", detail="[Cannot add Data Center.]")
    with pytest.raises(EngineError, match=r"data center lab: create: the engine refused it as things are: Cannot add Data Center\.; fix: "):
        steps.ensure(engine, CENTER)


def test_a_connection_that_breaks_is_said(engine: Engine, admin: Admin) -> None:
    admin.fault("drop", path="datacenters", times=1)
    with pytest.raises(EngineError, match="the connection broke before an answer came"):
        steps.ensure(engine, CENTER)


def test_an_object_that_is_gone_is_gone(engine: Engine) -> None:
    service = State(engine).service("clusters").cluster_service("00000000-0000-0000-0000-00000000dead")
    with pytest.raises(Gone, match=r"cluster ghost: it does not exist \(any more\)"):
        engine.ask("cluster ghost", service.get)


def test_in_check_mode_an_order_is_a_bug_and_is_not_sent(checking: Engine, admin: Admin) -> None:
    admin.forget()
    with pytest.raises(RuntimeError, match="POST /datacenters in check mode"):
        checking.tell(
            "data center lab", lambda: State(checking).service("data_centers").add(__import__("ovirtsdk4").types.DataCenter(name="x"))
        )
    assert admin.writes() == 0


def test_a_url_without_an_api_is_not_an_empty_engine(engine: Engine, admin: Admin) -> None:
    admin.ask("POST", "/faults", kind="fault", path="datacenters", status=404, reason="", detail="")
    with pytest.raises(EngineError, match=r"data centers: there is no such collection \(HTTP 404\); fix: check that the URL ends in"):
        steps.ensure(engine, CENTER)

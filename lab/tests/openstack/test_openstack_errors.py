"""What goes wrong between us and a cloud, as an operator reads it: through the real SDK, against the test double."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from lab.errors import InputError
from lab.openstack import steps
from lab.openstack.cloud import Login, connect
from lab.openstack.errors import Answer, CloudError, unanswered
from lab.openstack.model import thing
from lab.tests.openstack.double import PASSWORD, Double, Fault

NETWORK = thing("network", {"name": "inside"})
WHO = "(as admin of Default in project Default/lab)"


def refusal(login: Login) -> str:
    """The one line that an operator sees; never with a secret."""
    with connect(login, patience_seconds=0) as cloud, pytest.raises(CloudError) as caught:
        steps.ensure(cloud, NETWORK)
    said = str(caught.value)
    assert PASSWORD not in said and "wrong-secret" not in said
    assert "; fix: " in said and len(said.splitlines()) == 1
    return said


@pytest.mark.parametrize(
    ("fault", "parts"),
    [
        (
            Fault("POST", "/networks", 401, '{"error": {"message": "requires authentication"}}', times=2),
            ["POST http://", "/network/v2.0/networks: network inside: create: the token was refused, and a new one too", "Fernet keys"],
        ),
        (
            Fault(
                "POST",
                "/networks",
                403,
                '{"NeutronError": {"type": "x", "message": "rule:create_network is disallowed by policy", "detail": ""}}',
            ),
            ["it is not allowed: rule:create_network is disallowed by policy", WHO, "fix: give admin of Default"],
        ),
        (
            Fault("POST", "/networks", 404, '{"message": "The resource could not be found."}'),
            ["it is not there (any more): The resource could not be found."],
        ),
        (
            Fault("POST", "/networks", 409, '{"NeutronError": {"type": "OverQuota", "message": "Quota exceeded for resources: network"}}'),
            ["the project's quota is used up: Quota exceeded for resources", "fix: raise the quota of the project in the site"],
        ),
        (
            Fault("POST", "/networks", 409, '{"NeutronError": {"message": "Invalid input: overlaps with another subnet"}}'),
            ["it was refused as things are: Invalid input: overlaps", "fix: give it a range that no other subnet"],
        ),
        (
            Fault("POST", "/networks", 413, '{"overLimit": {"code": 413, "message": "VolumeSizeExceedsAvailableQuota: quota"}}'),
            ["the project's quota is used up: VolumeSizeExceedsAvailableQuota"],
        ),
        (
            Fault("POST", "/networks", 413, "<html>413 Request Entity Too Large</html>", "text/html"),
            ["the answer is text/html with HTTP 413: a proxy or web server answered, not the cloud"],
        ),
        (
            Fault("POST", "/networks", 413, '{"message": "Image storage media is full: There is not enough disk space"}'),
            ["the store is full: Image storage media is full", "fix: make room where the service keeps it"],
        ),
        (
            Fault("POST", "/networks", 503, '{"message": "no backend"}'),
            ["the service is not ready (HTTP 503): no backend", "fix: systemctl status of the service"],
        ),
        (
            Fault("POST", "/networks", 502, "<html><body><h1>502 Bad Gateway</h1></body></html>", "text/html"),
            ["nothing behind the load balancer answers (HTTP 502)", "fix: systemctl status of the service"],
        ),
        (
            Fault("GET", "/networks", 200, "<html>log in to the portal</html>", "text/html; charset=utf-8"),
            ["GET http://", ": networks: the answer is text/html with HTTP 200: a proxy", "no proxy stands before it"],
        ),
        (Fault("POST", "/networks", 0), ["the connection broke before an answer came", "network inside: create"]),
    ],
    ids=lambda value: f"{value.method}-{value.status}" if isinstance(value, Fault) else "",
)
def test_an_answer_is_told_with_endpoint_identity_object_cause_and_fix(
    login: Login, double: Double, fault: Fault, parts: list[str]
) -> None:
    double.faults = [fault]
    said = refusal(login)
    for part in [*parts, WHO]:
        assert part in said


def test_a_wrong_password_names_who_but_not_what(double: Double) -> None:
    said = refusal(Login(f"{double.url}/identity/v3", "admin", "wrong-secret", "lab"))
    assert "/identity/v3/auth/tokens: " in said
    assert "the login was refused: The request you have made requires authentication." in said
    assert "check name, project, domain and password of admin of Default in project Default/lab" in said


def test_a_token_that_expired_is_renewed_and_nobody_notices(login: Login, double: Double) -> None:
    with connect(login, patience_seconds=0) as cloud:
        assert steps.ensure(cloud, NETWORK).changed
        double.tokens.clear()
        assert not steps.ensure(cloud, NETWORK).changed
        double.tokens.clear()
        assert steps.remove(cloud, "network", "inside").changed
    assert double.of("networks") == {}


def test_where_nothing_listens_the_address_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v3"
    said = refusal(Login(url, "admin", PASSWORD, "lab"))
    assert said.startswith(f"POST {url}/auth/tokens: ")
    assert "nothing answers there" in said


def test_a_service_that_the_catalog_has_not_is_named(login: Login, double: Double) -> None:
    with connect(login, patience_seconds=0) as cloud, pytest.raises(CloudError) as caught:
        cloud.ask("zones", lambda: list(cloud.connection.dns.zones()))
    assert "the catalog has no such service" in str(caught.value)


def test_only_https_gets_a_password_and_a_ca_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be https, since the password travels there"), connect(Login("http://cloud/v3", "a", "b")):
        pass
    missing = tmp_path / "ca.pem"
    with pytest.raises(InputError, match=r"its CA .*ca.pem is not there"), connect(Login("https://cloud/v3", "a", "b", ca_file=missing)):
        pass


def test_a_login_has_no_secret_in_its_words() -> None:
    assert "wrong-secret" not in repr(Login("https://cloud/v3", "admin", "wrong-secret"))


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("SSLError(SSLCertVerificationError(1, 'certificate verify failed: unable to get local issuer certificate'))", "signed by the CA"),
        ("certificate verify failed: Hostname mismatch, certificate is not valid for 'cloud'", "for another name"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "does not speak TLS"),
        ("Failed to resolve 'cloud.lab' ([Errno -2] Name or service not known)", "name is not known"),
        ("[Errno 113] No route to host", "nothing answers there"),
        ("Read timed out. (read timeout=300)", "no answer in time"),
        ("('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))", "the connection broke"),
    ],
)
def test_failures_below_http_are_told_apart(words: str, cause: str) -> None:
    found = unanswered(words)
    assert found is not None and cause in found[0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"error": {"code": 401, "message": "no", "title": "Unauthorized"}}', "no"),
        ('{"itemNotFound": {"code": 404, "message": "gone"}}', "gone"),
        ('{"NeutronError": {"type": "T", "message": "refused", "detail": ""}}', "refused"),
        ('{"errors": [{"status": 409, "title": "Conflict", "detail": "placement says no"}]}', "placement says no"),
        ('{"faultstring": "wsme"}', "wsme"),
        ("plain words", "plain words"),
        ("<html><body>a <b>page</b></body></html>", "a page"),
        ("[]", ""),
        ("", ""),
    ],
)
def test_each_service_wraps_its_words_in_its_own_way(body: str, said: str) -> None:
    assert Answer(body=body).said == said


def test_what_was_asked_is_named_without_its_question() -> None:
    assert Answer("GET", "https://cloud/v3/users?password=x").request == "GET https://cloud/v3/users"


def test_an_answer_without_a_page_is_no_other_server_s() -> None:
    """As to the removal of an image whose upload failed, which the SDK sends before it says so."""
    assert not Answer("DELETE", "https://cloud/v2/images/1", 204, "text/html; charset=UTF-8", "").is_foreign
    assert Answer("GET", "https://cloud/v2/images/1", 200, "text/html", "<html>a page</html>").is_foreign

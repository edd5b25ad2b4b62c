"""Every refusal names endpoint, object, cause and fix; and only the engine's own 404 means that something is not there."""

from __future__ import annotations

from typing import Any

import pytest

from lab.ovirt.errors import Answer, EngineError, Gone, translate

URL = "https://engine.lab/ovirt-engine/api"
XML = Answer("GET", "/vms/1", 400, "application/xml", True)
HTML = "text/html; charset=utf-8"


class SdkError(Exception):
    """As the SDK raises it."""

    def __init__(self, message: str, code: int | None = None, detail: str = "", reason: str = "Operation Failed") -> None:
        super().__init__(message)
        self.code = code
        self.fault = type("Fault", (), {"reason": reason, "detail": detail})() if detail else None


class NotFoundError(SdkError):
    """The SDK's own name for any 404."""


def said(error: Any, answer: Answer = XML, **more: Any) -> str:
    return str(translate(error, URL, "admin@internal", "vm web: start", answer, **more))


@pytest.mark.parametrize(
    ("error", "answer", "parts"),
    [
        (
            SdkError("Error during SSO authentication access_denied : Cannot authenticate user 'admin@internal': wrong credentials"),
            Answer("GET", "/vms"),
            ["login of admin@internal failed: access_denied : Cannot authenticate user", "fix: check the password of admin@internal"],
        ),
        (SdkError("", 401), XML, ["the session is no longer valid", "fix: look whether an administrator ended"]),
        (
            SdkError("", 403, "query execution failed due to insufficient permissions."),
            XML,
            ["may not do this", "fix: give admin@internal a role"],
        ),
        (SdkError("", 409, "[Cannot add VM. The VM name is already in use.]"), XML, ["already in use", "fix: give it another name"]),
        (SdkError("", 409, "[Cannot run VM. VM is locked.]"), XML, ["as things are: Cannot run VM", "fix: another operation holds it"]),
        (
            SdkError("", 400, "[Cannot run VM. There is no host that satisfies current scheduling constraints.]"),
            XML,
            ["fix: bring a hypervisor"],
        ),
        (
            SdkError("", 400, "[Permission settings on the specified path do not allow access to the storage.]"),
            XML,
            ["fix: the export must belong to 36:36"],
        ),
        (
            SdkError("", 400, "[Cannot add Virtual Disk. Low disk space on Storage Domain nas.]"),
            XML,
            ["fix: free space on the storage domain"],
        ),
        (SdkError("", 400, "Vm [name] required for add", "Incomplete parameters"), XML, ["a bug of ours"]),
        (
            SdkError("The response content type 'text/html' isn't the expected XML"),
            Answer("GET", "/vms", 404, HTML, True),
            ["GET /vms is text/html with HTTP 404", "a proxy or web server answered, not the engine"],
        ),
        (
            SdkError("The response content type 'text/html' isn't the expected XML"),
            Answer("POST", "/vms", 401, HTML, True),
            ["POST /vms is text/html with HTTP 401"],
        ),
        (
            SdkError("The response content type 'text/html' isn't the expected JSON"),
            Answer("GET", "/vms"),
            ["the answer to the login is text/html: a proxy"],
        ),
        (SdkError("", 503), Answer("GET", "/vms", 503), ["starting or stopping (HTTP 503)"]),
        (SdkError("Error while sending HTTP request: (6, 'Could not resolve host: engine.lab')"), Answer(), ["its name is not known"]),
        (
            SdkError("Error while sending HTTP request: (7, 'Failed to connect to engine.lab port 443')"),
            Answer(),
            ["nothing answers there", "port 443"],
        ),
        (
            SdkError("Error while sending HTTP request: (28, 'Operation timed out after 300001 milliseconds')"),
            Answer(),
            ["no answer in time"],
        ),
        (
            SdkError("Error while sending HTTP request: (60, 'SSL certificate problem: unable to get local issuer certificate')"),
            Answer(),
            ["not signed by the CA", "pki-resource?resource=ca-certificate"],
        ),
        (
            SdkError("Failed to read response: [(<pycurl>, 35, 'TLS connect error: wrong version number')]"),
            Answer(),
            ["does not speak TLS"],
        ),
        (
            SdkError("Failed to read response: [(<pycurl>, 52, 'Empty reply from server')]"),
            Answer(),
            ["the connection broke before an answer came"],
        ),
    ],
)
def test_a_refusal_names_endpoint_object_cause_and_fix(error: Any, answer: Answer, parts: list[str]) -> None:
    message = said(error, answer)
    assert message.startswith(f"{URL}: vm web: start: ")
    assert [part for part in [*parts, "; fix: "] if part not in message] == []
    assert "absent" not in message


def test_a_404_of_the_engine_itself_means_gone() -> None:
    error = translate(NotFoundError("HTTP response code is 404.", 404), URL, "admin", "vm web", Answer("GET", "/vms/1", 404))
    assert isinstance(error, Gone)
    assert "somebody removed it meanwhile" in str(error)


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (NotFoundError("", 404), Answer("GET", "/vms/1", 404, HTML, True)),
        (SdkError("The response content type 'text/html' isn't the expected XML"), Answer("GET", "/vms/1", 404, HTML, True)),
        (SdkError("Error during SSO authentication access_denied"), Answer("GET", "/vms/1")),
        (SdkError("", 401), Answer("GET", "/vms/1", 401)),
        (SdkError("", 503), Answer("GET", "/vms/1", 503)),
    ],
)
def test_nothing_else_means_gone(error: Any, answer: Answer) -> None:
    found = translate(error, URL, "admin", "vm web", answer)
    assert isinstance(found, EngineError) and not isinstance(found, Gone)


@pytest.mark.parametrize("error", [SdkError("", 401), SdkError("Error during SSO authentication access_denied : no password")])
def test_a_token_that_expired_is_not_called_a_wrong_password(error: Any) -> None:
    message = said(error, Answer("GET", "/vms", 401), token_only=True)
    assert "the token it was given has expired; fix: log in again as admin@internal" in message


def test_what_an_engine_says_of_its_hypervisors_is_not_taken_for_our_own_connection() -> None:
    message = said(SdkError("", 409, "[Cannot add Host. The certificate of node1 has expired, connection timed out.]"))
    assert "refused it as things are: Cannot add Host. The certificate of node1 has expired" in message
    assert "signed by the CA we were given" not in message

"""Turns what the SDK raises into messages an operator can act on: endpoint, object, cause, fix. Nothing here ever means "absent"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from lab.errors import LabError

SSO = "Error during SSO authentication"


class EngineError(LabError):
    """The engine refused, or did not answer as an engine; `code` is the HTTP status where there was one."""

    def __init__(self, message: str, code: int | None = None) -> None:
        """Keep the status, for callers that may retry."""
        self.code = code
        super().__init__(message)


class Gone(EngineError):
    """The engine itself said 404 for one object by its id, with an empty body or a fault, so there is no such thing."""


@dataclass(frozen=True)
class Answer:
    """The last answer seen on a connection, which the SDK's own errors leave out; `code` 0 before the first."""

    method: str = ""
    path: str = ""
    code: int = 0
    content_type: str = ""
    has_body: bool = False

    @property
    def is_foreign(self) -> bool:
        """Not XML and not empty: something else than the engine answered."""
        return self.has_body and not re.match(r"(application|text)/xml", self.content_type)


def translate(error: Any, url: str, user: str, what: str, answer: Answer, *, token_only: bool = False) -> EngineError:
    """The message for one error of the SDK; `what` is the object and what was done with it."""
    code = getattr(error, "code", None) or (answer.code if answer.is_foreign else None)
    cause, fix = explain(error, url, user, code, answer)
    if token_only and (code == 401 or SSO in str(error)):
        cause, fix = (
            "the token it was given has expired",
            f"log in again as {user}: a password renews its token by itself, a token alone cannot",
        )
    kind = Gone if code == 404 and not answer.is_foreign and type(error).__name__ == "NotFoundError" else EngineError
    return kind(f"{url}: {what}: {cause}; fix: {fix}", code)


def explain(error: Any, url: str, user: str, code: int | None, answer: Answer) -> tuple[str, str]:
    """Cause and fix. The order matters: what answered at all comes before what it said."""
    text = str(error)
    fault = getattr(error, "fault", None)
    said = fault_text(fault) or text
    # Only where nothing was answered: the engine tells of certificates and lost connections of its hypervisors, too.
    if fault is None and not code and (found := transport(text, url)) is not None:
        return found
    if SSO in text:
        reason = text.split(SSO, 1)[1].strip(" :")
        return (
            f"login of {user} failed: {reason}",
            f"check the password of {user} in the site's secrets, and that the account is not locked",
        )
    if "content type" in text or answer.is_foreign:
        asked = "the login" if "expected JSON" in text else f"{answer.method} {answer.path}"
        named = re.search(r"content type '([^';]+)", text)
        kind = answer.content_type.partition(";")[0] or (named.group(1) if named else "neither XML nor JSON")
        status = f" with HTTP {answer.code}" if answer.code else ""
        return (
            f"the answer to {asked} is {kind}{status}: a proxy or web server answered, not the engine",
            f"check that {url} is the engine's own URL, no proxy stands before it (no_proxy), and ovirt-engine runs",
        )
    if code == 401:
        return (
            "the session is no longer valid and no new one was given",
            f"look whether an administrator ended the sessions of {user}, then run the same command again",
        )
    if code == 403:
        return f"{user} may not do this: {said}", f"give {user} a role that allows it, or use another user"
    if code == 404:
        return "it does not exist (any more)", "look whether somebody removed it meanwhile, then run the same command again"
    if code == 409:
        return f"the engine refused it as things are: {said}", fix_of(said)
    if code == 503:
        return "the engine is starting or stopping (HTTP 503)", "wait until its web page answers, then run the same command again"
    return f"the engine refused it{f' (HTTP {code})' if code else ''}: {said}", fix_of(said)


def transport(text: str, url: str) -> tuple[str, str] | None:
    """Failures below HTTP, told from libcurl's words since the SDK has no class for them."""
    low = text.lower()
    if re.search(r"certificate|self.signed|issuer|subject name", low):
        return (
            "its certificate is not signed by the CA we were given, or is for another name",
            f"fetch the CA anew from {base(url)}/ovirt-engine/services/pki-resource?resource=ca-certificate&format=X509-PEM-CA",
        )
    if re.search(r"empty reply|recv failure|connection reset|unexpected eof|ssl_read", low):
        return "the connection broke before an answer came", "run the same command again; if it stays so, read the engine's log"
    if re.search(r"ssl connect error|wrong version number|ssl_error|tls", low):
        return "what answers there does not speak TLS", f"check scheme and port of {url}"
    if "resolve host" in low:
        return "its name is not known", "check the engine's name in the site, and that the router serves it"
    if re.search(r"couldn't connect|failed to connect|connection refused|could not connect", low):
        return "nothing answers there", "check that the engine runs (systemctl status ovirt-engine) and port 443 is open"
    if "timed out" in low or "timeout was reached" in low:
        return "no answer in time", "check the network to the engine, and its load"
    if "the ca file" in low:
        return text, "give the engine's CA as a PEM file"
    return None


def base(url: str) -> str:
    """Scheme and host."""
    return "/".join(url.split("/")[:3])


def fault_text(fault: Any) -> str:
    """The engine's own words, without the brackets it puts around details."""
    if fault is None:
        return ""
    detail = " ".join((fault.detail or "").split()).strip("[]")
    return detail or str(fault.reason or "")


# The engine's wording -> what to do about it; what is not here is shown as it is.
FIXES = (
    (r"already in use|already exist|is already used", "give it another name, or remove the one that has it"),
    (r"\blocked\b", "another operation holds it: wait until that has ended (Tasks in the engine's web page)"),
    (r"host .*is not up|no active host", "bring that hypervisor up, or name one that is up"),
    (r"no (available )?host|filtered out", "bring a hypervisor of the cluster up, or loosen affinity and memory"),
    (
        r"permission settings|not accessible|problem while trying to mount|storage connection",
        "the export must belong to 36:36 with mode 0755, and be exported to every hypervisor",
    ),
    (r"low disk space|not enough.*space|no space", "free space on the storage domain, or use another one"),
    (r"in use by|is used by|used in|being used", "remove what uses it first"),
    (r"maintenance", "put it into maintenance first"),
    (r"required for", "this is a bug of ours: we did not send what the engine asks for"),
)


def fix_of(said: str) -> str:
    """What to do about a refusal in the engine's words."""
    for pattern, fix in FIXES:
        if re.search(pattern, said, re.IGNORECASE):
            return fix
    return "change what it names, then run the same command again"

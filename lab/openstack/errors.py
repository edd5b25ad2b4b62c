"""Turns what the SDK raises into messages an operator can act on: endpoint, who asked, object, cause, fix. Nothing here means "absent"."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from lab.errors import LabError


class CloudError(LabError):
    """The cloud refused, or what answered is no cloud; `code` is the HTTP status where there was one."""

    def __init__(self, message: str, code: int | None = None) -> None:
        """Keep the status, for callers that may ask again."""
        self.code = code
        super().__init__(message)


class Gone(CloudError):
    """A service of the cloud itself said 404 for one object, so there is no such thing."""


class NotAnswered(CloudError):
    """Nothing answered: refused, timed out, or the connection broke."""


# What a load balancer answers in place of a service that does not run, or broke off, and a service without its database.
NOT_READY = (502, 503, 504)
LOOK_AT_SERVICE = "systemctl status of the service and of its database and message queue say why; then run the same command again"


@dataclass(frozen=True)
class Answer:
    """The last answer seen, which the SDK's errors leave out; `code` 0 where nothing was answered."""

    method: str = ""
    url: str = ""
    code: int = 0
    content_type: str = ""
    body: str = ""

    @property
    def is_foreign(self) -> bool:
        """A page for people: something else than a service of the cloud answered."""
        return "html" in self.content_type and bool(self.body)

    @property
    def said(self) -> str:
        """The service's own words: each service wraps them in its own way."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return " ".join(re.sub(r"<[^>]*>", " ", self.body).split())[:300]
        while isinstance(found, dict):
            inner = next((found[key] for key in ("message", "faultstring", "detail", "title") if isinstance(found.get(key), str)), None)
            if inner is not None:
                return " ".join(inner.split())
            found = next((value for value in found.values() if isinstance(value, dict | list)), "")
            found = found[0] if isinstance(found, list) and found else found
        return ""

    @property
    def request(self) -> str:
        """What was asked of whom, without its question mark, where secrets might be."""
        return f"{self.method} {self.url.partition('?')[0]}"


def translate(error: Any, auth_url: str, user: str, what: str, answer: Answer) -> CloudError:
    """The message for one error; `what` is the object and what was done with it, `user` says who asked, with project and domain."""
    if 0 < answer.code < 400 and not answer.is_foreign:
        answer = Answer()  # of an earlier request: this error is not about it
    code = answer.code or getattr(error, "status_code", None) or getattr(error, "http_status", None)
    cause, fix = explain(error, user, code, answer, auth_url)
    place = answer.request if answer.url else auth_url
    kind: type[CloudError] = CloudError
    if not answer.code and unanswered(str(error)):
        kind = NotAnswered
    elif code in (404, None) and not answer.is_foreign and type(error).__name__ in ("NotFoundException", "NotFound"):
        kind = Gone
    return kind(f"{place}: {what}: {cause} (as {user}); fix: {fix}", code)


def explain(error: Any, user: str, code: int | None, answer: Answer, auth_url: str) -> tuple[str, str]:
    """Cause and fix. The order matters: what answered at all comes before what it said."""
    name, words = type(error).__name__, " ".join(str(error).split())
    if answer.is_foreign and answer.code in NOT_READY:
        return f"nothing behind the load balancer answers (HTTP {answer.code})", LOOK_AT_SERVICE
    if answer.is_foreign:
        return (
            f"the answer is {answer.content_type.partition(';')[0]} with HTTP {answer.code}: a proxy or web server answered, not the cloud",
            "check the address, that no proxy stands before it (no_proxy), and that the service runs behind the load balancer",
        )
    said = answer.said or words
    if name in ("EndpointNotFound", "CatalogException", "EmptyCatalog") or "service not found" in words.lower():
        return f"the catalog has no such service: {words}", "look at `openstack catalog list`: the service's stage may not have run"
    if not answer.code and (found := unanswered(words)):
        return found
    if name == "DuplicateResource":
        return f"there are several of that name: {words}", "remove or rename all but one of them"
    if code == 401:
        if "/auth/tokens" in answer.url:
            return f"the login was refused: {said}", f"check name, project, domain and password of {user} in the site's secrets"
        return (
            f"the token was refused, and a new one too: {said}",
            "is the time the same on all machines, do all API machines have the same Fernet keys, does memcached answer? then run again",
        )
    if code == 403:
        if re.search(r"quota", said, re.IGNORECASE):
            return over_quota(said)
        return f"it is not allowed: {said}", f"give {user} a role that may, or use another user"
    if code == 404:
        return f"it is not there (any more): {said}", "look whether somebody removed it meanwhile, then run the same command again"
    if code == 409:
        if re.search(r"quota", said, re.IGNORECASE):
            return over_quota(said)
        return f"it was refused as things are: {said}", fix_of(said)
    if code == 413:
        if re.search(r"quota|limit", said, re.IGNORECASE):
            return over_quota(said)
        if re.search(r"storage media is full|disk space", said, re.IGNORECASE):
            return f"the store is full: {said}", "make room where the service keeps it (df on its machine), or remove what is not needed"
        return (
            f"it is too large for what stands before the service: {said}",
            "raise the load balancer's or the service's limit of a request",
        )
    if code in NOT_READY:
        return f"the service is not ready (HTTP {code}): {said}", LOOK_AT_SERVICE
    return f"it was refused{f' (HTTP {code})' if code else ''}: {said}", fix_of(said)


def over_quota(said: str) -> tuple[str, str]:
    """One sentence for what three services call in three ways."""
    return f"the project's quota is used up: {said}", "raise the quota of the project in the site, or remove what is not needed"


def unanswered(words: str) -> tuple[str, str] | None:
    """Failures below HTTP, told from the words of urllib3 and OpenSSL, since the SDK has few classes for them."""
    low = words.lower()
    if re.search(r"hostname mismatch|doesn't match|is not valid for", low):
        return "its certificate is for another name", "use the name that the certificate is for, with `address` where it is not in DNS"
    if re.search(r"certificate_verify_failed|certificate verify failed|self.signed|unable to get local issuer", low):
        return "its certificate is not signed by the CA we were given", "give the lab's CA (artifacts/ca) as ca_file"
    if re.search(r"wrong.version.number|unknown protocol|eof occurred|http request.*https|record layer", low):
        return "what answers there does not speak TLS", "check scheme and port of the address"
    if re.search(r"name or service not known|nodename nor servname|getaddrinfo|name resolution|failed to resolve", low):
        return "its name is not known", "check the name in the site, and that the router serves it; or give its `address`"
    if re.search(r"connection refused|no route to host|network is unreachable", low):
        return "nothing answers there", "is the machine up, does haproxy run there (systemctl status haproxy), is the port open?"
    if re.search(r"connection reset|remote end closed|connection aborted|broken pipe|incompleteread", low):
        return "the connection broke before an answer came", "run the same command again; if it stays so, read the service's journal"
    if re.search(r"timed out|timeout", low):
        return "no answer in time", "check the network to it, and its load"
    return None


# The services' wording -> what to do about it; what is not here is shown as it is.
FIXES = (
    (r"already exists|already used|duplicate|is in use by another|already in use", "give it another name, or remove the one that has it"),
    (r"overlap", "give it a range that no other subnet of the network has"),
    (
        r"no more ip addresses|noaddress|ipaddressgenerationfailure",
        "enlarge the pool of the subnet, or give back addresses that nobody uses",
    ),
    (r"one or more ports (still )?in use|in use on|is in use", "remove the ports and servers that use it first"),
    (r"no valid host", "read the scheduler's reason: no compute node has room, is up, or fits; `openstack hypervisor stats show`"),
    (r"not bootable|no bootable", "make the volume from an image, or mark it bootable"),
    (r"smaller than|too small|minimum|flavordisk", "take a flavor with more disk or memory, or a smaller image"),
    (r"multiple possible|more than one", "name it by its id, or remove all but one"),
)


def fix_of(said: str) -> str:
    """What to do about a refusal in the service's words."""
    for pattern, fix in FIXES:
        if re.search(pattern, said, re.IGNORECASE):
            return fix
    return "change what it names, then run the same command again"

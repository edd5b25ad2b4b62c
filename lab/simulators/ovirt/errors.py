"""How the engine says no: a status, a reason and a detail, in the engine's own wording."""

from __future__ import annotations

OPERATION_FAILED = "Operation Failed"


class Fault(Exception):
    """An answer other than success; without a reason its body is empty, as the engine's 404 is."""

    def __init__(self, status: int, reason: str = "", detail: str = "") -> None:
        """Keep what is sent."""
        super().__init__(f"{status} {reason} {detail}".strip())
        self.status = status
        self.reason = reason
        self.detail = detail


def not_found() -> Fault:
    """Nothing is there: the engine sends no body at all."""
    return Fault(404)


def refused(*details: str, status: int = 400) -> Fault:
    """The engine's validation failed; it puts its messages in brackets."""
    return Fault(status, OPERATION_FAILED, f"[{', '.join(details)}]")


def conflict(*details: str) -> Fault:
    """Validation failed because of something that exists or runs."""
    return refused(*details, status=409)


def incomplete(kind: str, element: str, method: str) -> Fault:
    """An element that has to be there is not."""
    return Fault(400, "Incomplete parameters", f"{kind} [{element}] required for {method}")


def invalid_word(word: str, kind: str, known: str) -> Fault:
    """A word an enumeration does not have."""
    return Fault(400, "Invalid value", f"{word} is not a member of {kind}; {known}")


def entity_not_found(kind: str, name: str) -> Fault:
    """A body names an object that is not there."""
    return Fault(404, OPERATION_FAILED, f"Entity not found: {kind}: {name}")


def syntax(cause: str) -> Fault:
    """A body or a search that means nothing here; the engine points to its manual, and we add why."""
    return Fault(400, "Request syntactically incorrect.", f"For correct usage, see: /ovirt-engine/apidoc. {cause}")


def not_simulated(what: str) -> Fault:
    """The engine knows this and we do not: neither swallowed nor stored, so that nobody takes it for done."""
    return Fault(501, "Not simulated", f"The engine knows {what}; this simulator does not, and has changed nothing.")

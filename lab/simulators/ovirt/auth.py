"""Single sign-on as the engine does it: tokens for a name and a password, that end, and are forgotten with a restart as its are."""

from __future__ import annotations

import base64
import hmac
import secrets
import threading
import time
from typing import Any

SCOPE = "ovirt-app-api"
PASSWORD_GRANT = "password"  # noqa: S105 - the name of a grant


class Sessions:
    """The one user, and the tokens given out."""

    def __init__(self, user: str, password: str, lifetime_seconds: float) -> None:
        """The user is written `name@profile`."""
        self.user = user
        self.lifetime_seconds = lifetime_seconds
        self._password = password
        self._ends: dict[str, float] = {}
        self._mutex = threading.Lock()

    def login(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """The answer to a request for a token: its status and what its JSON says."""
        grant = form.get("grant_type", "")
        if grant != PASSWORD_GRANT:
            return 400, {"error": f"The grant_type {grant} is not supported.", "error_code": "unsupported_grant_type"}
        if form.get("scope") != SCOPE:
            return 400, {"error": "The requested scope is invalid.", "error_code": "invalid_scope"}
        if not self._is_user(form.get("username", ""), form.get("password", "")):
            said = "Cannot authenticate user Invalid user credentials."
            return 400, {"error": said, "error_code": "access_denied"}
        token, ends = secrets.token_urlsafe(64), time.time() + self.lifetime_seconds
        with self._mutex:
            self._ends[token] = ends
        return 200, {"access_token": token, "scope": SCOPE, "exp": str(int(ends * 1000)), "token_type": "bearer"}

    def logout(self, token: str) -> dict[str, Any]:
        """The answer to a request to forget a token."""
        with self._mutex:
            if self._ends.pop(token, None) is None:
                return {"error": "The provided authorization grant for the auth code has expired.", "error_code": "invalid_grant"}
        return {}

    def expire_all(self) -> int:
        """Ends every token now; returns how many there were."""
        with self._mutex:
            count = len(self._ends)
            self._ends.clear()
        return count

    def accepts(self, header: str) -> bool:
        """Whether an Authorization header opens the API: a token, or name and password as the engine takes them too."""
        kind, _, value = header.partition(" ")
        if kind.lower() == "bearer":
            with self._mutex:
                return self._ends.get(value.strip(), 0.0) > time.time()
        if kind.lower() == "basic":
            try:
                user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
            except ValueError:
                return False
            return self._is_user(user, password)
        return False

    def _is_user(self, user: str, password: str) -> bool:
        known = hmac.compare_digest(user.encode(), self.user.encode())
        return hmac.compare_digest(password.encode(), self._password.encode()) and known

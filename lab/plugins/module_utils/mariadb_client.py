"""Speaks to MariaDB on the machine itself, by its client and its socket, and says what its refusals mean."""

import subprocess
import time

NOT_READY = "WSREP has not yet prepared node"
HINTS = {
    NOT_READY: "this node of the database cluster is not in step with the others; fix: wait until wsrep_ready is ON, then run again",
    "Can't connect to local server": "the database does not run; fix: look at `journalctl -u mariadb` there",
}


def explained(said):
    """What the database refused, and what that means where it is known."""
    return next((f"{said}: {hint}" for mark, hint in HINTS.items() if mark in said), said)


def tell(statements):
    """What the client of the database ended with."""
    words = ["mariadb", "--batch", "--skip-column-names"]
    return subprocess.run(words, input=";\n".join(statements), capture_output=True, text=True, check=False)


def awaited(ask, limit_seconds, clock=time.monotonic, pause=time.sleep):
    """Asks until the database is ready, or says why it is not; empty where it is. What it refuses for another cause is not asked again."""
    started, seconds = clock(), 0.5
    while True:
        done = ask(["SELECT 1 FROM mysql.user LIMIT 1"])
        said = done.stderr.strip() if done.returncode else ""
        passed = clock() - started
        if not any(mark in said for mark in HINTS):
            return explained(said)
        if passed + seconds > limit_seconds:
            return f"{explained(said)}; so for {passed:.0f} seconds"
        pause(seconds)
        seconds = min(seconds * 1.5, 5)

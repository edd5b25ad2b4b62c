"""Runs commands on machines as root, and streams a backup from the backup machine through this computer into another machine.

Nothing is kept on the way and no machine gets a credential of another: only the controller may log in to both.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab import child, lock, private_file, ssh
from lab.errors import LabError

CONNECT_SECONDS = 10
ANSWER_SECONDS = 30.0
COMMAND_SECONDS = 3600.0  # large folders take their time; a machine that is gone is noticed by ssh itself
NO_CONNECTION = 255  # ssh's own exit code
RESTIC = "/usr/local/sbin/backup-restic"  # runs restic on one machine's repository; the password is in a file there
SAID_LINES = 3

# Names of users decide and not their numbers, for another machine may have given them other ones; tar's own default.
UNPACK = ("tar", "--extract", "--preserve-permissions", "--same-owner", "--acls", "--xattrs", "--xattrs-include=user.*")
COMPARE = ("tar", "--compare")

Variables = Mapping[str, Any]


class NoAnswer(LabError):
    """A machine does not let us in."""


def command(variables: Variables, *argv: str, connect_seconds: int = CONNECT_SECONDS) -> list[str]:
    """The ssh command that runs `argv` as root; a connection of its own, for one that is kept may lead to a machine that is gone."""
    program, *words, address = ssh.command(dict(variables))
    root = [] if variables.get("ansible_user", "root") == "root" else ["sudo", "--non-interactive", "--"]
    options = ["BatchMode=yes", f"ConnectTimeout={connect_seconds}", "ControlPath=none", "ServerAliveInterval=10", "ServerAliveCountMax=6"]
    # First, for ssh takes the first value it is given: a machine under a restore may be silent for longer than one under Ansible.
    return [program, *(word for option in options for word in ("-o", option)), *words, address, shlex.join([*root, *argv])]


def run(
    name: str, variables: Variables, *argv: str, given: str = "", connect_seconds: int = CONNECT_SECONDS, limit: float = COMMAND_SECONDS
) -> str:
    """What a command on a machine prints.

    Raises NoAnswer where the machine does not let us in, LabError with the command's own last words where it fails.
    """
    try:
        asked = command(variables, *argv, connect_seconds=connect_seconds)
        done = subprocess.run(asked, input=given, capture_output=True, text=True, errors="replace", timeout=limit, check=False)
    except FileNotFoundError:
        raise LabError("ssh: is not installed; fix: apt-get install openssh-client") from None
    except subprocess.TimeoutExpired:
        raise NoAnswer(f"machine {name}: `{argv[0]}` did not end within {limit:g} s; fix: ./inv ssh {name} shows what it does") from None
    if done.returncode == NO_CONNECTION:
        raise NoAnswer(
            f"machine {name}: does not let us in at {variables['ansible_host']}: {last_words(done.stderr)}"
            f"; fix: ./inv ssh {name} shows more; ./inv up starts a machine that stopped"
        )
    if done.returncode:
        said = last_words(done.stderr or done.stdout)
        raise LabError(f"machine {name}: `{shlex.join(argv)[:120]}` ended with code {done.returncode}: {said}")
    return done.stdout


def answers(name: str, variables: Variables) -> str:
    """Empty where a machine lets us in, else why not."""
    try:
        run(name, variables, "true", limit=ANSWER_SECONDS)
    except NoAnswer as error:
        return str(error).partition("; fix:")[0]
    return ""


def last_words(text: str) -> str:
    """The end of what a program said, in one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-SAID_LINES:]) or "it said nothing"


def reading(machine: str, verb: str, *words: str) -> list[str]:
    """On the backup machine: restic on a machine's repository, for what only reads; no lock that a lost client left keeps it out."""
    return [RESTIC, machine, verb, "--no-lock", *words]


def dump(machine: str, snapshot: str) -> list[str]:
    """On the backup machine: writes a whole snapshot of a machine's repository as a tar archive, checked block by block."""
    return reading(machine, "dump", "--archive", "tar", snapshot, "/")


def listing(machine: str, snapshot: str) -> list[str]:
    """On the backup machine: everything in a snapshot, a JSON object per line."""
    return reading(machine, "ls", "--json", snapshot)


class Streams:
    """Streams of one drill or restore: their logs are in one folder of the site's artifacts."""

    def __init__(self, vault: str, variables: Variables, children: child.Children, folder: Path) -> None:
        """`vault` is the backup machine, `variables` its inventory variables."""
        self.vault, self.variables, self.children, self.folder = vault, variables, children, folder

    def unpack(self, machine: str, snapshot: str, target: str, variables: Variables, into: str) -> None:
        """Brings a snapshot back below a folder of a machine; owners, modes, times, access lists and attributes included."""
        self._into(machine, snapshot, target, command(variables, *UNPACK, "--directory", into, "--file", "-"), f"unpack into {into}")

    def compare(self, machine: str, snapshot: str, target: str, variables: Variables, below: str) -> None:
        """Compares every file below a folder of a machine with a snapshot: content, owner, mode, time and size."""
        self._into(machine, snapshot, target, command(variables, *COMPARE, "--directory", below, "--file", "-"), f"compare with {below}")

    def read(self, machine: str, snapshot: str) -> None:
        """Reads a snapshot to its end and keeps nothing: whoever is about to destroy something wants to know that it can be read."""
        self._into(machine, snapshot, "this computer", ["sh", "-c", "cat >/dev/null"], "read")

    def _into(self, machine: str, snapshot: str, target: str, sink: list[str], doing: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{machine}-{snapshot[:8]}-{doing.split()[0]}"
        logs = self.folder / f"{name}.restic.log", self.folder / f"{name}.target.log"
        env = child.environment(**{lock.MARK: str(self.folder.parent)})
        left, right = self.children.pipe(command(self.variables, *dump(machine, snapshot)), sink, env, logs)
        if self.children.is_stopped:
            raise child.Stopped("the run was stopped")
        raise_for(left, right, self.vault, target, f"{doing} (snapshot {snapshot[:8]})", logs, machine)


def raise_for(left: int, right: int, vault: str, target: str, doing: str, logs: tuple[Path, Path], machine: str) -> None:
    """Raises LabError where either end of a stream failed.

    The one that failed by itself is to blame: a reader that stops makes the writer fail with a broken pipe, and a writer that stops
    leaves the reader with half an archive.
    """
    if not left and not right:
        return
    said, done = (log.read_text(encoding="utf-8", errors="replace") if log.is_file() else "" for log in logs)
    full = "No space left on device" in done or "Disk quota exceeded" in done
    if right and (full or not _is_to_blame(left, said)):
        fix = f"make room on {target}" if full else "the log has every line"
        raise LabError(f"machine {target}: {doing} failed with code {right}: {last_words(done)}; fix: {fix}: {logs[1]}")
    if left == NO_CONNECTION:
        raise NoAnswer(f"machine {vault}: {doing}: the connection ended: {last_words(said)}; fix: ./inv ssh {vault}; log: {logs[0]}")
    raise LabError(
        f"machine {vault}: the backup of {machine} cannot be read, {doing} failed with code {left}: {last_words(said)}"
        f"; fix: on {vault}, `{RESTIC} {machine} check --read-data` says what is damaged; an older snapshot may be whole; log: {logs[0]}"
    )


def _is_to_blame(code: int, said: str) -> bool:
    """Whether the writer failed by itself, and not because nobody read on (SIGPIPE, or restic's and ssh's words for it)."""
    return code not in (0, -13, 141) and "broken pipe" not in said.lower()


def remember_host_key(known_hosts: Path, address: str, key: str) -> None:
    """Notes the SSH host key of a machine whose own key was brought back; every other line of the file stays."""
    before = known_hosts.read_text(encoding="utf-8").splitlines() if known_hosts.is_file() else []
    kept = [line for line in before if line.split(" ", 1)[0] != address]
    private_file.write(known_hosts, "\n".join([*kept, f"{address} {' '.join(key.split()[:2])}"]) + "\n")

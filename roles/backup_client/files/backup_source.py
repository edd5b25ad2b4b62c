#!/usr/bin/env python3
"""Back up one source of this machine, and say in one line what is wrong when that fails.

backup-source NAME           copies it to the backup server (what backup@NAME.service runs)
backup-source --before NAME  runs the commands that make a consistent copy first
backup-source --first NAME   starts the unit where the server has no snapshot of the source yet
backup-source --list NAME    prints the server's snapshots of it as JSON
"""

import argparse
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

SETTINGS = Path("/etc/backup-client")
CACHE = Path("/var/cache/backup-client")
# More than any network delay, less than what makes a copy look a day younger or older than it is.
SKEW_SECONDS = 300
NO_REPOSITORY, LOCKED, WRONG_PASSWORD, INCOMPLETE = 10, 11, 12, 3  # exit codes of restic(1)

# What restic, ssh and rclone say on the way -> what is wrong, and what mends it. The first that is found counts.
CAUSES = (
    (
        r"no space left on device|file too big for remaining disk space|disk quota exceeded",
        "the disk of {server} is full",
        "make room below its repositories (`backup-prune` there removes what need not be kept) or enlarge the disk",
    ),
    (
        r"host key verification failed|host identification has changed|host key is known",
        "{server} does not have the host key it had",
        "if the machine was made anew, run ./inv up; if not, somebody else answers at its address",
    ),
    (
        r"permission denied \(",
        "{server} does not know the key of this machine (revoked, or replaced on one side)",
        "./inv up makes it known again; if it was revoked because it was stolen, remove {settings}/id_ed25519* first",
    ),
    (
        r"connection (refused|timed out|closed|reset)|no route to host|network is unreachable|could not resolve|operation timed out",
        "{server} does not answer",
        "see that it runs and that this machine reaches its port 22",
    ),
    (
        r"rclone: command not found|rclone: not found",
        "{server} has no rclone",
        "./inv up installs it",
    ),
    (
        r"\(403\)|403 forbidden",
        "{server} refuses to change what it has",
        "look for a full disk there, and for a copy of this machine's key that is used elsewhere",
    ),
)
BY_CODE = {
    NO_REPOSITORY: ("{server} has no repository for this machine", "./inv up makes it"),
    LOCKED: ("the repository on {server} is locked", "wait for pruning or verifying there to end; `backup-restic` there can `unlock` it"),
    WRONG_PASSWORD: (
        "the repository on {server} was made with another password",
        "put the password it was made with back into secrets.yml of the site",
    ),
}


class Trouble(Exception):
    """What an operator has to mend, in one line."""


def explain(code, said, server):
    """One line with cause and fix for an exit code of restic and everything it said."""
    if code in BY_CODE:
        cause, fix = BY_CODE[code]
    else:
        found = ((cause, fix) for pattern, cause, fix in CAUSES if re.search(pattern, said, re.IGNORECASE))
        cause, fix = next(found, (f"restic ended with code {code}: {last_words(said)}", "see the lines before this one in the journal"))
    return f"{cause}; fix: {fix}".replace("{server}", server).replace("{settings}", str(SETTINGS))


def last_words(said):
    """The last thing restic said, out of its JSON where it is JSON."""
    lines = [line for line in said.splitlines() if line.strip()]
    message = messages(said, "exit_error")
    return str(message[-1].get("message", "")).splitlines()[0] if message else (lines[-1].strip() if lines else "nothing was said")


def messages(said, kind):
    """restic's JSON messages of one kind."""
    found = []
    for line in said.splitlines():
        if line.startswith("{"):
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if message.get("message_type") == kind:
                found.append(message)
    return found


def unreadable(said):
    """Files restic could not read; one that is gone by the time it is read is ordinary life, not an error."""
    errors = [(str(found.get("item")), str(found.get("error", {}).get("message"))) for found in messages(said, "error")]
    return [item for item, message in errors if not message.endswith("no such file or directory")]


def paths_of(source):
    """The paths to copy, with patterns filled in.

    Raises Trouble naming one that there is nothing of: a backup without it would look complete.
    """
    found = []
    for path in source["paths"]:
        matches = sorted(map(str, Path("/").glob(path.lstrip("/"))))
        if not matches:
            raise Trouble(f"{path} does not exist on this machine; fix: make it, or take it out of the paths of the source")
        found += matches
    return found


def clock_trouble(tracking, newest, now):
    """What is wrong with this machine's clock, by what chronyc says of it and by the newest snapshot; empty when nothing is.

    A copy with a wrong time is worse than none: retention would keep and remove the wrong ones.
    """
    fix = "see `chronyc tracking` and the time of the hypervisor"
    fields = tracking.strip().split(",")
    if len(fields) > 4 and re.fullmatch(r"-?\d+(\.\d+)?", fields[4]) and abs(float(fields[4])) > SKEW_SECONDS:
        return f"the clock of this machine is {abs(float(fields[4])):.0f} seconds wrong; fix: {fix}"
    if newest is not None and (newest - now).total_seconds() > SKEW_SECONDS:
        return f"the newest snapshot is from {newest:%Y-%m-%d %H:%M} UTC, which this machine's clock takes for the future; fix: {fix}"
    return ""


def tracking():
    """What the clock daemon knows; nothing where there is none."""
    if not shutil.which("chronyc"):
        return ""
    return subprocess.run(["chronyc", "-c", "tracking"], capture_output=True, text=True, check=False).stdout


def moment(text):
    """A time of restic's, which has more digits than Python reads."""
    return datetime.datetime.fromisoformat(re.sub(r"\.\d+", "", text).replace("Z", "+00:00"))


class Repository:
    """This machine's repository on the backup server."""

    def __init__(self, settings):
        self.server = settings["server"]
        ssh = f"ssh -F {SETTINGS}/ssh_config server"
        self.argv = ["restic", "-o", f"rclone.program={ssh}", "--repo=rclone:", f"--password-file={SETTINGS}/password"]

    def run(self, *words):
        """restic's output; what it says besides goes to the journal and is explained when it fails."""
        env = {**os.environ, "HOME": str(CACHE), "RESTIC_CACHE_DIR": str(CACHE)}
        done = subprocess.run([*self.argv, *words], capture_output=True, text=True, env=env, check=False)
        sys.stderr.write(done.stderr)
        if done.returncode not in (0, INCOMPLETE):
            raise Trouble(explain(done.returncode, done.stderr + done.stdout, self.server))
        return done

    def snapshots(self, source):
        """The snapshots of one source, oldest first."""
        return json.loads(self.run("snapshots", "--json", "--no-lock", f"--tag={source}").stdout or "null") or []


def before(source):
    """Runs the source's own commands."""
    for argv in source["before"]:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or ["nothing was said"]
            fix = f"run `{' '.join(argv)}` by hand until it works"
            raise Trouble(f"before the copy, `{argv[0]}` ended with code {done.returncode}: {said[-1]}; fix: {fix}")


def back_up(source, repository):
    """Makes one snapshot and returns restic's summary of it."""
    paths = paths_of(source)
    have = repository.snapshots(source["name"])
    newest = max((moment(snapshot["time"]) for snapshot in have), default=None)
    if trouble := clock_trouble(tracking(), newest, datetime.datetime.now(datetime.UTC)):
        raise Trouble(trouble)
    repository.run("unlock")  # removes only what a program of this machine that is gone left behind
    excluded = [f"--exclude={pattern}" for pattern in source["exclude"]]
    done = repository.run("backup", "--json", "--quiet", "--retry-lock=10m", f"--tag={source['name']}", *excluded, "--", *paths)
    if done.returncode == INCOMPLETE and (items := unreadable(done.stderr)):
        raise Trouble(
            f"{len(items)} files could not be read, so the snapshot lacks them, the first is {items[0]}"
            "; fix: see the disk's health (journalctl -k), or exclude them"
        )
    # The exit code alone proves nothing: what counts is the list.
    summary = messages(done.stdout, "summary")[-1]
    if summary["snapshot_id"] not in {snapshot["id"] for snapshot in repository.snapshots(source["name"])}:
        fix = "run it again, then `backup-verify` there"
        raise Trouble(f"restic reported success, but {repository.server} does not list the snapshot; fix: {fix}")
    return summary


def first(source, repository):
    """Starts the unit where there is no snapshot yet; whether it did."""
    if repository.snapshots(source["name"]):
        return False
    note = CACHE / f"{source['name']}.failed"
    note.unlink(missing_ok=True)
    unit = f"backup@{source['name']}.service"
    if subprocess.run(["systemctl", "start", unit], check=False).returncode:
        raise Trouble(note.read_text().strip() if note.exists() else f"{unit} did not start; fix: see journalctl --unit {unit}")
    return True


def main(argv):
    """The exit code; the last line of a failure says what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group()
    for option in ("--before", "--first", "--list"):
        mode.add_argument(option, action="store_true")
    parser.add_argument("name")
    asked = parser.parse_args(argv)
    settings = json.loads((SETTINGS / "sources.json").read_text())
    source = next((found for found in settings["sources"] if found["name"] == asked.name), None)
    if source is None:
        known = ", ".join(found["name"] for found in settings["sources"])
        sys.exit(f"backup of {asked.name}: this machine has no such source; fix: one of {known}")
    note = CACHE / f"{asked.name}.failed"
    repository = Repository(settings)
    try:
        if asked.before:
            before(source)
        elif asked.first:
            print("made" if first(source, repository) else "there already")
        elif asked.list:
            print(json.dumps(repository.snapshots(asked.name)))
        else:
            summary = back_up(source, repository)
            note.unlink(missing_ok=True)
            print(f"backup of {asked.name}: snapshot {summary['snapshot_id'][:8]}, {summary['total_bytes_processed']} bytes")
    except Trouble as trouble:
        text = str(trouble) if str(trouble).startswith("backup of ") else f"backup of {asked.name}: {trouble}"
        if not asked.first and not asked.list:
            CACHE.mkdir(mode=0o700, exist_ok=True)
            note.write_text(text + "\n")
        # systemd takes the number for the line's priority: an error.
        print(("<3>" if "JOURNAL_STREAM" in os.environ else "") + text, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

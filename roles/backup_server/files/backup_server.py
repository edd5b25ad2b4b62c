#!/usr/bin/env python3
"""What a backup server does with the copies it has. The name it is called by says what:

backup-report [--check]          prints every source's newest snapshot and problems as JSON; --check: problems only, and fails with them;
                                 --at TIME: as it will be then, if nothing more is copied
backup-prune [MACHINE...]        removes what need not be kept, unless a list of snapshots is not what it has to be
backup-prune --accept MACHINE    takes the list as it is from now on
backup-verify [MACHINE...]       reads everything that is stored and says what is damaged
backup-restic MACHINE WORD...    restic(1) on the repository of a machine
"""

import argparse
import datetime
import fcntl
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
from pathlib import Path

SETTINGS = Path("/etc/backup-server")
STATE = Path("/var/lib/backup-server")
REPOSITORIES = Path("/srv/backup")
USER = "backup"
# More than any network delay, less than what makes a copy look a day younger or older than it is.
SKEW = datetime.timedelta(minutes=5)
# Longer than any copy takes. Only for clients whose restic (before 0.17) does not tell when a copy ended.
LONGEST_COPY = datetime.timedelta(days=1)
CAUSES = (
    (
        r"no space left on device|disk quota exceeded",
        "the disk of the backup server is full",
        "enlarge it; where that cannot be, `backup-restic MACHINE prune --unsafe-recover-no-free-space` (restic(1)) needs the least room",
    ),
    (
        r"wrong password",
        "the repository was made with another password",
        "put the password it was made with back into secrets.yml of the site",
    ),
    (r"does not exist", "there is no repository", "./inv up makes it"),
    (
        r"already locked",
        "the repository is locked",
        "wait for the copy that runs now to end; `backup-restic MACHINE unlock` removes a lock that was left behind",
    ),
    (r"permission denied", "the repository cannot be read", "everything in it has to belong to user backup: chown --recursive backup: it"),
)


class Trouble(Exception):
    """What an operator has to mend, in one line."""


def explain(said):
    """Cause and fix in what restic said."""
    found = ((cause, fix) for pattern, cause, fix in CAUSES if re.search(pattern, said, re.IGNORECASE))
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["nothing was said"]
    cause, fix = next(found, (f"restic failed: {lines[-1]}", "see the lines before this one in the journal"))
    return f"{cause}; fix: {fix}"


def now():
    """The time, by this machine."""
    return datetime.datetime.now(datetime.UTC)


def moment(text):
    """A time of restic's, which has more digits than Python reads."""
    return datetime.datetime.fromisoformat(re.sub(r"\.\d+", "", text).replace("Z", "+00:00"))


def words_of(machine):
    """How restic is called for the repository of a machine."""
    return ["restic", f"--repo={REPOSITORIES / machine}", f"--password-file={SETTINGS}/password", "--no-cache"]


def restic(machine, *words):
    """restic's output.

    Raises Trouble with what it failed of.
    """
    done = subprocess.run([*words_of(machine), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise Trouble(f"repository of {machine}: {explain(done.stderr + done.stdout)}")
    return done.stdout


def snapshots(machine):
    """The snapshots of a machine, each with the time its file arrived, which no client can set."""
    found = json.loads(restic(machine, "snapshots", "--json", "--no-lock") or "null") or []
    for snapshot in found:
        seconds = (REPOSITORIES / machine / "snapshots" / snapshot["id"]).stat().st_mtime
        snapshot["arrived"] = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return sorted(found, key=lambda snapshot: moment(snapshot["time"]))


def wrong_time(snapshot):
    """What is wrong with the time a snapshot claims; empty when nothing is. Retention would keep and remove by it."""
    claimed, arrived = moment(snapshot["time"]), snapshot["arrived"]
    summary = snapshot.get("summary") or {}
    if claimed - arrived > SKEW:
        return f"claims {claimed:%Y-%m-%d %H:%M} and arrived at {arrived:%Y-%m-%d %H:%M} UTC, so it is from the future"
    if summary:
        is_wrong = arrived - moment(summary["backup_end"]) > SKEW or abs(claimed - moment(summary["backup_start"])) > SKEW
    else:
        is_wrong = arrived - claimed > LONGEST_COPY
    return f"claims {claimed:%Y-%m-%d %H:%M} and arrived at {arrived:%Y-%m-%d %H:%M} UTC" if is_wrong else ""


def time_problems(machine, listed):
    """A line for each snapshot whose time is wrong."""
    said = [(snapshot["id"][:8], wrong_time(snapshot)) for snapshot in listed]
    cause = f"the clock of {machine} is or was wrong, or somebody else has its key"
    return [f"snapshot {name} {what}: {cause}; fix: mend that, then `backup-restic {machine} forget {name}`" for name, what in said if what]


def vanished_problems(machine, known, listed):
    """A line when snapshots are gone that nobody here removed."""
    gone = sorted(set(known) - {snapshot["id"] for snapshot in listed})
    if not gone:
        return []
    names = ", ".join(name[:8] for name in gone[:5]) + (" and more" if len(gone) > 5 else "")
    fix = f"find out who removed them, restore the repository if need be, then `backup-prune --accept {machine}`"
    return [f"{len(gone)} snapshots of {machine} vanished ({names}); fix: {fix}"]


def tagged(listed, source):
    """The snapshots of one source."""
    return [snapshot for snapshot in listed if source in (snapshot.get("tags") or [])]


def row(machine, source, listed, known, limit_seconds, at):
    """What the report says of one source of a repository that can be read."""
    own = tagged(listed, source)
    good = [snapshot for snapshot in own if not wrong_time(snapshot)]
    problems = vanished_problems(machine, [name for name, tag in known.items() if tag == source], listed) + time_problems(machine, own)
    if not good:
        fix = f"`systemctl start backup@{source}` on {machine}; its journal says why it fails"
        return empty_row(machine, source, [f"there is no snapshot of {source}; fix: {fix}", *problems])
    newest = good[-1]
    age = max(0, round((at - moment(newest["time"])).total_seconds()))
    if age > limit_seconds:
        fix = f"`journalctl --unit backup@{source}` on {machine} says why"
        problems.insert(0, f"the newest snapshot of {source} is {age / 3600:.0f} hours old, more than {limit_seconds / 3600:g}; fix: {fix}")
    size = (newest.get("summary") or {}).get("total_bytes_processed")
    return empty_row(machine, source, problems) | {
        "snapshot": newest["id"],
        "time": moment(newest["time"]).isoformat().replace("+00:00", "Z"),
        "age_seconds": age,
        "size_bytes": size,
    }


def empty_row(machine, source, problems):
    """What the report says of a source without a usable snapshot."""
    return {
        "machine": machine,
        "source": source,
        "snapshot": None,
        "time": None,
        "age_seconds": None,
        "size_bytes": None,
        "problems": problems,
    }


def disk_problems(free_percent):
    """A line when the disk is nearly full."""
    usage = shutil.disk_usage(REPOSITORIES)
    if usage.free * 100 >= usage.total * free_percent:
        return []
    return [
        f"only {usage.free * 100 // usage.total} % of the backup server's disk is free ({usage.free // 2**20} MiB at {REPOSITORIES})"
        "; fix: enlarge it, or keep less (backup.keep in site.yml)"
    ]


def remembered(kind, machine):
    """What was written down of a machine; empty when nothing was."""
    file = STATE / kind / f"{machine}.json"
    return json.loads(file.read_text()) if file.exists() else {}


def remember(kind, machine, data):
    """Writes it down, at once or not at all."""
    file = STATE / kind / f"{machine}.json"
    file.parent.mkdir(exist_ok=True)
    new = file.with_suffix(f".{os.getpid()}")
    new.write_text(json.dumps(data))
    new.replace(file)


def trusted(listed):
    """id -> source of the snapshots whose time is right; those with a wrong one may be removed by hand."""
    return {snapshot["id"]: (snapshot.get("tags") or [""])[0] for snapshot in listed if not wrong_time(snapshot)}


def machines_of(settings):
    """The machines that have a repository."""
    return list(dict.fromkeys(source["machine"] for source in settings["sources"]))


def report(settings, at):
    """Every source, judged by the lists of snapshots. What is new in them is written down, so that it cannot vanish unseen."""
    rows = []
    common = disk_problems(settings["free_percent"])
    for machine in machines_of(settings):
        sources = [source["source"] for source in settings["sources"] if source["machine"] == machine]
        damage = [remembered("verified", machine).get("problem")]
        known = remembered("known", machine)
        try:
            listed = snapshots(machine)
        except Trouble as trouble:
            found = [empty_row(machine, source, [str(trouble)]) for source in sources]
        else:
            found = [row(machine, source, listed, known, settings["fresh_within_hours"] * 3600, at) for source in sources]
            if new := {name: tag for name, tag in trusted(listed).items() if name not in known}:
                remember("known", machine, known | new)
        rows += [{**one, "problems": one["problems"] + [text for text in damage if text] + common} for one in found]
    return rows


def prune(machine, settings):
    """Removes what need not be kept; returns how many snapshots went.

    Raises Trouble when the list is not what it has to be, before and after: restic reports success also for a removal that was refused.
    """
    listed = snapshots(machine)
    if problems := vanished_problems(machine, remembered("known", machine), listed) + time_problems(machine, listed):
        raise Trouble("nothing was removed: " + "; ".join(problems))
    keep = [f"--keep-{period}={count}" for period, count in settings["keep"].items() if count]
    if any((REPOSITORIES / machine / "locks").iterdir()):
        restic(machine, "unlock")  # removes only what was left behind by a program that is gone
    tags = [f"--tag={source['source']}" for source in settings["sources"] if source["machine"] == machine]
    said = json.loads(restic(machine, "forget", "--json", "--retry-lock=1h", "--group-by=tags", *tags, *keep) or "null") or []
    leaving = {snapshot["id"] for group in said for snapshot in group.get("remove") or []}
    if not leaving:
        remember("known", machine, trusted(listed))
        return 0
    restic(machine, "prune", "--retry-lock=1h")
    left = snapshots(machine)
    names = {snapshot["id"] for snapshot in left}
    if stayed := leaving & names:
        raise Trouble(
            f"repository of {machine}: {len(stayed)} snapshots were to go and are still there; fix: see that user backup may write it"
        )
    if gone := {snapshot["id"] for snapshot in listed} - names - leaving:
        raise Trouble(
            f"repository of {machine}: {len(gone)} snapshots vanished while it was pruned; fix: find out who else removes snapshots"
        )
    remember("known", machine, trusted(left))
    return len(leaving)


def verify(machine):
    """Reads everything that is stored for a machine; writes down and returns what is wrong, empty when nothing is."""
    done = subprocess.run([*words_of(machine), "check", "--read-data", "--no-lock", "--json"], capture_output=True, text=True, check=False)
    problem = ""
    if done.returncode:
        sys.stderr.write(done.stderr)
        problem = f"repository of {machine}: {damage(done.stdout, done.stderr)}"
    remember("verified", machine, {"time": now().isoformat(), "problem": problem})
    return problem


def damage(said, complained):
    """What `restic check` found, in one line."""
    messages = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    packs = [pack for message in messages for pack in message.get("broken_packs") or []]
    packs += re.findall(r"pack ([0-9a-f]{8,64})", complained) if not packs else []
    errors = sum(message.get("num_errors") or 0 for message in messages)
    if not packs and not errors:
        return explain(complained + said)
    names = ", ".join(sorted({pack[:8] for pack in packs})[:5])
    fix = "look after the disk, then `restic repair packs` (restic(1)) and start every backup of the machine again"
    return f"what is stored is damaged: {f'packs {names}' if names else f'{errors} errors'}; fix: {fix}"


def say(text):
    """A line that the journal shows as an error: systemd takes the number for its priority."""
    print(("<3>" if "JOURNAL_STREAM" in os.environ else "") + text, file=sys.stderr)


def alone():
    """Waits until nobody else prunes or verifies; kept until this program ends."""
    lock = (STATE / "lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def become_owner():
    """Everything happens as the owner of the repositories: what root wrote there, the owner could not read."""
    if os.geteuid() == 0:
        owner = pwd.getpwnam(USER)
        os.initgroups(USER, owner.pw_gid)
        os.setgid(owner.pw_gid)
        os.setuid(owner.pw_uid)
    os.environ["HOME"] = str(STATE)
    os.chdir("/")
    os.umask(0o077)


def on_each(machines, function):
    """Does something for each machine, also after one failed; the exit code."""
    failed = False
    for machine in machines:
        try:
            print(function(machine), flush=True)
        except Trouble as trouble:
            say(str(trouble))
            failed = True
    return int(failed)


def run_report(words, settings):
    """backup-report."""
    parser = argparse.ArgumentParser(prog="backup-report")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--at", type=moment, default=now())
    asked = parser.parse_args(words)
    rows = report(settings, asked.at)
    if not asked.check:
        print(json.dumps(rows, indent=1))
        return 0
    problems = list(dict.fromkeys(problem for one in rows for problem in one["problems"]))
    for problem in problems:
        say(problem)
    return int(bool(problems))


def run_prune(words, settings):
    """backup-prune."""
    parser = argparse.ArgumentParser(prog="backup-prune")
    parser.add_argument("--accept", metavar="MACHINE", choices=machines_of(settings))
    parser.add_argument("machines", metavar="MACHINE", nargs="*", choices=[*machines_of(settings), []])
    asked = parser.parse_args(words)
    lock = alone()
    with lock:
        if asked.accept:
            remember("known", asked.accept, trusted(snapshots(asked.accept)))
            return 0
        return on_each(asked.machines or machines_of(settings), lambda machine: f"{machine}: {prune(machine, settings)} snapshots removed")


def run_verify(words, settings):
    """backup-verify."""
    parser = argparse.ArgumentParser(prog="backup-verify")
    parser.add_argument("machines", metavar="MACHINE", nargs="*", choices=[*machines_of(settings), []])
    asked = parser.parse_args(words)

    def one(machine):
        if problem := verify(machine):
            raise Trouble(problem)
        return f"{machine}: everything that is stored can be read"

    with alone():
        return on_each(asked.machines or machines_of(settings), one)


def run_restic(words, settings):
    """backup-restic."""
    known = machines_of(settings)
    if len(words) < 2 or words[0] not in known:
        sys.exit(f"usage: backup-restic MACHINE WORD...; MACHINE is one of {', '.join(known)}")
    os.execvp("restic", [*words_of(words[0]), *words[1:]])  # noqa: S606 - the program itself is what was asked for


RUN = {"backup-report": run_report, "backup-prune": run_prune, "backup-verify": run_verify, "backup-restic": run_restic}


def main(argv):
    """The exit code."""
    settings = json.loads((SETTINGS / "settings.json").read_text())
    become_owner()
    try:
        return RUN[Path(argv[0]).name](argv[1:], settings)
    except Trouble as trouble:
        say(str(trouble))
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))

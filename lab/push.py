"""Pushes this project, as it is checked out, to the lab's own git server."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from lab.change import Change
from lab.errors import LabError

BRANCH = "refs/heads/main"
LIMIT_SECONDS = 600


def obstacle(folder: Path) -> str:
    """Why the tree cannot be pushed, with the fix; empty where it can."""
    try:
        inside = _git(folder, "rev-parse", "--is-inside-work-tree")
    except FileNotFoundError:
        return "git is not installed on this computer; fix: apt-get install git"
    if inside.returncode or inside.stdout.strip() != "true":
        return f"{folder} is no git checkout; fix: build the lab from a clone of the project to have it kept there"
    if _git(folder, "rev-parse", "--is-shallow-repository").stdout.strip() != "false":
        return f"{folder} is a shallow clone, whose history is cut off; fix: git fetch --unshallow, then ./inv up"
    if _git(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}").returncode:
        return f"{folder} has no commit yet; fix: commit, then ./inv up"
    return ""


def head(folder: Path) -> str:
    """The commit that is checked out."""
    return _must(_git(folder, "rev-parse", "HEAD"), f"{folder}: HEAD cannot be read")


def push(folder: Path, url: str, private_key: Path, host_key: str, *, check: bool = False) -> Change:
    """Brings the checked out commit to branch main there; history is never overwritten.

    A tree that cannot be pushed is no failure, but a change with a `notice`. Raises LabError where the server refuses.
    """
    if why := obstacle(folder):
        return Change("project", False, facts={"notice": f"this project was not pushed to {url}: {why}"})
    commit = head(folder)
    with tempfile.TemporaryDirectory(prefix="strata-push-") as scratch:
        ssh = _ssh(Path(scratch), private_key, host_key)
        listed = _git(folder, "ls-remote", url, BRANCH, ssh=ssh)
        if check and listed.returncode:  # a plan may come before the server
            return Change("project", True, {BRANCH: "unknown"}, {BRANCH: commit})
        there = _must(listed, f"{url}: cannot be read with the key {private_key}").partition("\t")[0]
        if there == commit:
            return Change("project", False, facts={"commit": commit})
        if not check:
            done = _git(folder, "push", "--quiet", url, f"{commit}:{BRANCH}", ssh=ssh)
            if done.returncode and any(word in done.stderr for word in ("fetch first", "non-fast-forward")):
                raise LabError(
                    f"{url}: its main has commits that {folder} lacks, so nothing was pushed; fix: git pull {url} main, then ./inv up"
                )
            _must(done, f"{url}: refused commit {commit}")
    return Change("project", True, {BRANCH: there}, {BRANCH: commit}, {"commit": commit})


def _ssh(scratch: Path, private_key: Path, host_key: str) -> str:
    """An SSH command that knows this one host key and uses this one key; nothing of the operator's own configuration."""
    known = scratch / "known_hosts"
    known.write_text(f"server {host_key}\n", encoding="utf-8")
    options = {"HostKeyAlias": "server", "UserKnownHostsFile": known, "StrictHostKeyChecking": "yes", "IdentitiesOnly": "yes"}
    options |= {"IdentityFile": private_key, "BatchMode": "yes", "ConnectTimeout": 10, "LogLevel": "ERROR"}
    return shlex.join(["ssh", "-F", os.devnull, *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))])


def _git(folder: Path, *words: str, ssh: str = "") -> subprocess.CompletedProcess[str]:
    # The checkout may belong to the operator while this runs as root, which git distrusts.
    argv = ["git", "-c", "safe.directory=*", "-C", str(folder), *words]
    env = {**os.environ, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": ssh}
    try:
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        raise LabError(f"git {words[0]}: did not end in {LIMIT_SECONDS} s; fix: look at the git server's load and disk") from None


def _must(done: subprocess.CompletedProcess[str], what: str) -> str:
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise LabError(f"{what}: {said or f'git ended with code {done.returncode}'}; fix: ./inv verify git says what does not serve")
    return done.stdout.strip()

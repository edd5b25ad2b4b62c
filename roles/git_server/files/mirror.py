#!/usr/bin/python3
"""Brings mirrors up to date, both ways; tries all, then fails if one failed and says which. Runs as the owner of the repositories."""

import json
import os
import subprocess
import sys
from pathlib import Path

ETC = Path("/etc/git-server")
EVERYTHING = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
LIMIT_SECONDS = 3600
SSH = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=20 -o UserKnownHostsFile=/etc/git-server/mirror_hosts"


def git(repository, *words):
    """Runs git in a repository of ours, without ever asking anybody."""
    store = f"credential.helper=store --file={ETC / 'mirror_logins'}"
    argv = ["git", "-c", store, "-C", str(Path.home() / "repositories" / f"{repository}.git"), *words]
    env = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": SSH, "LC_ALL": "C"}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS)
    if done.returncode:
        raise OSError(" ".join(done.stderr.split()) or f"git {words[0]} ended with code {done.returncode}")
    return done.stdout


def fetch(name, url):
    """Branches, tags and the default branch of elsewhere."""
    git(name, "fetch", "--quiet", "--prune", "--no-write-fetch-head", url, *EVERYTHING)
    for line in git(name, "ls-remote", "--symref", url, "HEAD").splitlines():
        if line.startswith("ref: refs/heads/"):
            git(name, "symbolic-ref", "HEAD", line.split()[1])


def main():
    """All of them, in turn."""
    failed = 0
    for one in json.loads((ETC / "repositories.json").read_text()):
        for key, act in (
            ("mirror_from", fetch),
            ("mirror_to", lambda name, url: git(name, "push", "--quiet", "--prune", url, *EVERYTHING)),
        ):
            if not one.get(key):
                continue
            try:
                act(one["name"], one[key])
                print(f"{one['name']}: {key} {one[key]}: up to date", flush=True)
            except (OSError, subprocess.TimeoutExpired) as error:
                failed += 1
                print(f"{one['name']}: {key} {one[key]}: {error}", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

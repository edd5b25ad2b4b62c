#!/usr/bin/python3
"""Brings what gitolite serves to what /etc/git-server says; says what it did, and nothing where that was done already.

gitolite reads its configuration from ~git/.gitolite. This writes it there and compiles it, as gitolite's own admin repository would on
a push. With --force also where nothing changed, as after a restore.
"""

import hashlib
import json
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

ETC = Path("/etc/git-server")
ACCOUNT = "git"


def become(account):
    """Everything is done as the owner of the repositories."""
    os.initgroups(account.pw_name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.umask(0o077)
    os.chdir(account.pw_dir)
    os.environ.update(HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name)


def inputs():
    """Path below ~git of everything gitolite reads, and its content."""
    found = {".gitolite.rc": (ETC / "gitolite.rc").read_bytes(), ".gitolite/conf/gitolite.conf": (ETC / "gitolite.conf").read_bytes()}
    found[".gitolite/hooks/common/post-receive"] = (ETC / "post-receive").read_bytes()
    found[".gitconfig"] = (ETC / "gitconfig").read_bytes()
    lines = [line for line in (ETC / "keys").read_text().splitlines() if line.strip()]
    lines += [f"{file.stem} {file.read_text().strip()}" for file in sorted((ETC / "checks").glob("*.pub"))]
    for line in lines:
        name, _, key = line.partition(" ")
        body = " ".join(key.split()[:2])
        found[f".gitolite/keydir/{name}@{hashlib.sha256(body.encode()).hexdigest()[:12]}.pub"] = f"{key}\n".encode()
    return found


def fingerprint(files, repositories):
    """Changes when anything does."""
    digest = hashlib.sha256(json.dumps([[one["name"], one.get("description", "")] for one in repositories]).encode())
    for path, content in sorted(files.items()):
        digest.update(f"{path} {hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


def write(files):
    """Keys that are no longer named go, so that nobody keeps access by a file left behind."""
    shutil.rmtree(".gitolite/keydir", ignore_errors=True)
    for folder in ("repositories", ".ssh", ".gitolite/conf", ".gitolite/keydir", ".gitolite/logs", ".gitolite/hooks/common"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        Path(path).write_bytes(content)
    Path(".gitolite/hooks/common/post-receive").chmod(0o700)


def gitolite(*words):
    """Runs gitolite and ends with its words where it refuses."""
    done = subprocess.run(["gitolite", *words], capture_output=True, text=True, check=False)
    if done.returncode or "FATAL" in done.stderr:
        sys.exit(f"gitolite {' '.join(words)}: {(done.stderr or done.stdout).strip()}")


def describe(repositories):
    """The line the web page shows."""
    for one in repositories:
        Path("repositories", f"{one['name']}.git", "description").write_text(f"{one.get('description', '')}\n")


def main(is_forced):
    """Compiles only where something changed, or a repository is missing."""
    become(pwd.getpwnam(ACCOUNT))
    repositories = json.loads((ETC / "repositories.json").read_text())
    files, stamp = inputs(), Path(".gitolite/applied")
    wanted = fingerprint(files, repositories)
    is_whole = all(Path("repositories", f"{one['name']}.git").is_dir() for one in repositories)
    if not is_forced and is_whole and stamp.exists() and stamp.read_text() == wanted:
        return
    stamp.unlink(missing_ok=True)  # a run that is killed from here on is done again
    write(files)
    gitolite("compile")
    gitolite("trigger", "POST_COMPILE")
    gitolite("setup", "--hooks-only")
    describe(repositories)
    stamp.write_text(wanted)
    print(f"applied: {len(repositories)} repositories")


if __name__ == "__main__":
    main("--force" in sys.argv[1:])

#!/usr/bin/python3
"""Tells the URL of a repository (`on_push`) about every pushed ref, in a form as Buildbot's `base` hook reads it.

A server that does not answer never keeps a push from succeeding; whoever pushes is told.
"""

import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

LIMIT_SECONDS = 5


def subject(commit):
    """First line of a commit's message; a ref that was removed has none."""
    if set(commit) == {"0"}:
        return "removed"
    done = subprocess.run(["git", "log", "-1", "--format=%s", commit], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def main():
    """One call per ref."""
    name = os.environ.get("GL_REPO", "")
    repositories = json.loads(Path("/etc/git-server/repositories.json").read_text())
    url = next((one.get("on_push", "") for one in repositories if one["name"] == name), "")
    for line in sys.stdin if url else ():
        old, new, ref = line.split()
        form = {"author": os.environ.get("GL_USER", ""), "revision": new, "branch": ref.removeprefix("refs/heads/"), "repository": name}
        form |= {"project": name, "previous": old, "comments": subject(new)}
        try:
            # The site model lets http and https through only.
            urllib.request.urlopen(url, urllib.parse.urlencode(form).encode(), timeout=LIMIT_SECONDS).close()  # noqa: S310
        except OSError as error:
            print(f"{name}: {urllib.parse.urlsplit(url).hostname} was not told about {ref}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()

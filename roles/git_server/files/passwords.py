#!/usr/bin/python3
"""Writes htpasswd: people's passwords from standard input (JSON, name to password), those of the checks from their files.

Says which entries changed. A hash that still fits its password stays, so a second run writes nothing. Arguments: folder.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

COST = "10"


def fits(file, name, password):
    """Whether the file holds this password; htpasswd's own word, as salts differ."""
    argv = ["htpasswd", "-v", "-i", "-B", str(file), name]
    return subprocess.run(argv, input=password, text=True, capture_output=True, check=False).returncode == 0


def hashed(name, password):
    """One line of the file."""
    argv = ["htpasswd", "-n", "-i", "-B", "-C", COST, name]
    done = subprocess.run(argv, input=password, text=True, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"htpasswd refused the password of {name}: {done.stderr.strip()}")
    return done.stdout.strip()


def main(folder):
    """Replaces the file at once, or leaves it as it is."""
    file = folder / "htpasswd"
    wanted = json.load(sys.stdin)
    wanted |= {path.stem: path.read_text().strip() for path in sorted((folder / "checks").glob("*.password"))}
    old = dict(line.split(":", 1) for line in file.read_text().splitlines() if ":" in line) if file.exists() else {}
    new = {}
    for name, password in sorted(wanted.items()):
        is_good = name in old and fits(file, name, password)
        new[name] = f"{name}:{old[name]}" if is_good else hashed(name, password)
        if not is_good:
            print(f"password of {name}")
    for name in sorted(set(old) - set(new)):
        print(f"removed {name}")
    text = "".join(f"{line}\n" for line in new.values())
    if not file.exists() or file.read_text() != text:
        part = file.with_suffix(".new")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
        part.replace(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

#!/usr/bin/python3
"""Passwords of SMB users as data on stdin says: [{name, password}]. Prints the names it changed; a password is never an argument.

Whether a password is right is asked of the server itself, for what it stores is only a hash.
"""

import json
import subprocess
import sys

SERVER = "//127.0.0.1/IPC$"


def is_right(name: str, password: str) -> bool:
    """Whether the server lets the user in."""
    login = f"username = {name}\npassword = {password}\n"
    words = ["smbclient", "--authentication-file=/dev/stdin", "--command=quit", SERVER]
    return subprocess.run(words, input=login, capture_output=True, text=True, check=False).returncode == 0


def known() -> set[str]:
    """Names the server has a password of."""
    listed = subprocess.run(["pdbedit", "--list"], capture_output=True, text=True, check=True).stdout
    return {line.split(":")[0] for line in listed.splitlines() if ":" in line}


def main() -> int:
    """Sets what differs, forgets who is no longer named."""
    users = {user["name"]: user["password"] for user in json.load(sys.stdin)}
    there = known()
    for name, password in users.items():
        if name not in there or not is_right(name, password):
            words = ["smbpasswd", "-s", "-a", name]
            done = subprocess.run(words, input=f"{password}\n{password}\n", capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"SMB user {name}: smbpasswd failed: {' '.join(done.stderr.split())}", file=sys.stderr)
                return 1
            print(name)
    for name in sorted(there - users.keys()):
        subprocess.run(["smbpasswd", "-x", name], capture_output=True, check=True)
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())

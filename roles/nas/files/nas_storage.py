#!/usr/bin/python3
"""`nas-storage mount`: mounts the datasets at boot and creates nothing. `nas-storage owners`: sets and checks their owners."""

import json
import sys
from pathlib import Path

sys.path.insert(0, "/usr/local/lib/nas")

from nas_layout import carry_out
from nas_pools import Refusal, Work

LAYOUT = Path("/etc/nas/layout.json")


def main(argv: list[str]) -> int:
    """Does what the command line says, and says what it did."""
    if argv not in (["mount"], ["owners"]):
        print("usage: nas-storage mount|owners", file=sys.stderr)
        return 2
    work = Work(is_plan=False)
    try:
        carry_out(argv[0], json.loads(LAYOUT.read_text()), work)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 1
    finally:
        for step in work.steps:
            print(step)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Serves a simulator until it is told to end: `python -m lab.simulators.ovirt FOLDER [--port N] [--address A] [--name NAME]...`."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

from lab.errors import LabError
from lab.simulators.ovirt.service import NAMES, serve


def main(words: list[str]) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lab.simulators.ovirt", description="An oVirt engine that is simulated, and says so.")
    parser.add_argument("folder", type=Path, help="where its state, disks and certificates are")
    parser.add_argument("--port", type=int, default=0, help="the same free one at every start, unless given")
    parser.add_argument("--address", default="127.0.0.1", help="the address it listens on")
    parser.add_argument("--name", action="append", default=[], help="a name it is reached under; the first is in its URL")
    chosen = parser.parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        with serve(chosen.folder.absolute(), port=chosen.port, address=chosen.address, names=[*chosen.name, *NAMES]) as served:
            print(served.url, flush=True)
            ended.wait()
    except LabError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

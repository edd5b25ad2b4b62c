"""Serves a simulator until it is told to end: `python -m lab.simulators.ovirt FOLDER [--port N] [--address A] [--name NAME]...`.

With `--spec FILE` it is the engine of a rehearsal, with machines that really boot (service.py starts it so); without, nothing boots.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from contextlib import AbstractContextManager
from pathlib import Path

from lab.errors import LabError
from lab.simulators.ovirt.machines import backends, namespaces
from lab.simulators.ovirt.machines import spec as specs
from lab.simulators.ovirt.serving import HTTPS, NAMES, Served, serve

EVERYWHERE = "0.0.0.0"  # noqa: S104 - of the engine container's network namespace, behind its firewall
FOLLOW_SECONDS = 2.0
TRANSFERS = 54323  # where an engine serves images

log = logging.getLogger("ovirt.simulator")


def main(words: list[str]) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lab.simulators.ovirt", description="An oVirt engine that is simulated, and says so.")
    parser.add_argument("folder", type=Path, help="where its state, disks and certificates are")
    parser.add_argument("--port", type=int, default=0, help="the same free one at every start, unless given")
    parser.add_argument("--address", default="127.0.0.1", help="the address it listens on")
    parser.add_argument("--name", action="append", default=[], help="a name it is reached under; the first is in its URL")
    parser.add_argument("--spec", type=Path, help="the site whose engine it is (see service.py)")
    chosen = parser.parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    folder = chosen.folder.absolute()
    try:
        names = [*chosen.name, *NAMES]
        with serve_site(chosen.spec) if chosen.spec else serve(folder, port=chosen.port, address=chosen.address, names=names) as served:
            print(served.url, flush=True)
            (folder / "serving").write_text(served.url + "\n", encoding="utf-8")
            elsewhere = wait(ended, chosen.spec)
        if elsewhere:
            log.warning("the engine's container was restarted: serving in its new network")
            follow(elsewhere, words)
    except LabError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def wait(ended: threading.Event, spec: Path | None) -> int:
    """Until it is told to end; or until the engine's container is in another network than this process: then one of its processes."""
    engine, ours = 0, namespaces.identity(os.getpid())
    while not ended.wait(FOLLOW_SECONDS if spec else None):
        engine = backends.engine_process(specs.load(spec), engine) if spec else 0
        if namespaces.identity(engine) not in (0, ours):
            return engine
    return 0


def follow(pid: int, words: list[str]) -> None:
    """The same process, in the network namespace of that one."""
    command = ["nsenter", f"--net=/proc/{pid}/ns/net", "--", sys.executable, "-m", "lab.simulators.ovirt", *words]
    os.execvp(command[0], command)  # noqa: S606 - replaces this process on purpose


def serve_site(file: Path) -> AbstractContextManager[Served]:
    """The engine of the site that the file describes, where this process' network is the engine's."""
    spec = specs.load(file)
    return serve(
        spec.folder,
        port=HTTPS,
        address=EVERYWHERE,
        names=[spec.engine_address, spec.engine_fqdn, spec.engine_fqdn.partition(".")[0], *NAMES],
        backend=backends.backend(spec),
        transfer_port=TRANSFERS,
        password_file=spec.password_file,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Runs a program that ends when whoever started it ends, however that happens: `tether.py FOLDER PROGRAM...`.

The starter keeps our input open. The kernel closes it with the starter, also on `kill -9`; then the program is killed and FOLDER removed.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading


def main(folder: str, command: list[str]) -> int:
    """Returns the program's exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for the starter, which ends us in its own time
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())

    def watch() -> None:
        os.read(0, 1)
        child.kill()

    threading.Thread(target=watch, daemon=True).start()
    code = child.wait()
    if folder != "-":
        shutil.rmtree(folder, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))

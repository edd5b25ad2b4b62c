"""How fast files are backed up and restored beside plain rsync over the same ssh, on the machines of scenario backup_client."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

SCENARIO = "backup_client"
CLIENT, SERVER, SERVER_ADDRESS = "mo-bc-forge", "mo-bc-vault", "10.92.9.2"
DATA, BACK = "/srv/git/benchmark", "/srv/benchmark"

# Half of it cannot be compressed nor found twice, as in packed repositories; half is text, as in logs and dumps.
MAKE = f"""
import os, random
random.seed(1)
words = [str(random.random()) for _ in range(1000)]
os.makedirs("{DATA}")
for number in range(SIZE // 2):
    with open(f"{DATA}/{{number}}.pack", "wb") as file:
        file.write(os.urandom(1024 * 1024))
    with open(f"{DATA}/{{number}}.log", "w") as file:
        file.write(" ".join(random.choice(words) for _ in range(55000)))
"""


def on(machine: str, *argv: str, given: str = "") -> str:
    """What a command on a machine prints; ends the benchmark where it fails."""
    done = subprocess.run(["podman", "exec", "--interactive", machine, *argv], input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{machine}: {shlex.join(argv)} ended with code {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def seconds(machine: str, *argv: str) -> float:
    """How long a command takes."""
    start = time.perf_counter()
    on(machine, *argv)
    return time.perf_counter() - start


def prepare(size_mib: int) -> None:
    """Data, and rsync between the two machines with a key of its own."""
    on(CLIENT, "python3", "-", given=MAKE.replace("SIZE", str(size_mib)))
    for machine in (CLIENT, SERVER):
        on(machine, "apt-get", "-qq", "install", "--no-install-recommends", "rsync")
    on(CLIENT, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/.ssh/benchmark")
    key = on(CLIENT, "cat", "/root/.ssh/benchmark.pub")
    on(SERVER, "sh", "-c", "umask 77; mkdir -p /root/.ssh; cat >> /root/.ssh/authorized_keys", given=key)


def measure() -> dict[str, tuple[float, float]]:
    """Seconds of our backup and of rsync, for each thing that is done with a copy."""
    shell = "ssh -i /root/.ssh/benchmark -o StrictHostKeyChecking=accept-new"
    push = ["rsync", "--archive", "--delete", "-e", shell, f"{DATA}/", f"root@{SERVER_ADDRESS}:{BACK}/"]
    found = {
        "first copy": (seconds(CLIENT, "systemctl", "start", "backup@git.service"), seconds(CLIENT, *push)),
        "nothing changed": (seconds(CLIENT, "systemctl", "start", "backup@git.service"), seconds(CLIENT, *push)),
    }
    # As ./inv restore does it: the server reads, and the files travel as a tar stream; rsync pulls its copy back.
    dump = f"backup-restic {CLIENT} --quiet dump latest {DATA}"
    pull = ["rsync", "--archive", "-e", shell, f"root@{SERVER_ADDRESS}:{BACK}/", "/srv/back-by-rsync/"]
    restore = f"mkdir /srv/back-by-restic && {shell} root@{SERVER_ADDRESS} '{dump}' | tar --extract --directory /srv/back-by-restic"
    found["restore"] = (seconds(CLIENT, "bash", "-o", "pipefail", "-c", restore), seconds(CLIENT, *pull))
    on(CLIENT, "diff", "--recursive", DATA, f"/srv/back-by-restic{DATA}")
    on(CLIENT, "diff", "--recursive", DATA, "/srv/back-by-rsync")
    return found


def main() -> int:
    """Prints throughput and ratios; the machines are made for it and removed."""
    from lab import child, sandbox

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=512, help="how much data")
    size = parser.parse_args().mib
    sandbox.enter()
    env = child.environment()
    try:
        subprocess.run(["molecule", "converge", "-s", SCENARIO], cwd=ROOT, env=env, check=True)
        prepare(size)
        found = measure()
    finally:
        subprocess.run(["molecule", "destroy", "-s", SCENARIO], cwd=ROOT, env=env, check=True)
    for what, (ours, rsync) in found.items():
        speeds = [f"{name} {took:.1f} s ({size / took:.0f} MiB/s)" for name, took in (("restic", ours), ("rsync", rsync))]
        print(f"{what}: {', '.join(speeds)}, ratio {ours / rsync:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""How long a cluster takes without one of its workers, with it, and where nothing changed: `python benchmarks/kubernetes.py --help`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLAYBOOK = ROOT / "playbooks" / "kubernetes.yml"
BEFORE = "ovirt"  # the last stage that a cluster needs


def run(*argv: str) -> float:
    """Seconds that a command took; ends the benchmark where it fails, with what it printed last."""
    path = os.pathsep.join([str(ROOT / ".venv" / "bin"), os.environ["PATH"]])
    start = time.perf_counter()
    done = subprocess.run(argv, cwd=ROOT, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(argv)}: ended with code {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - start


def without(text: str, machine: str) -> str:
    """A site without one of its machines, which stands on a line of its own there; ends the benchmark where it does not."""
    lines = text.splitlines(keepends=True)
    found = [line for line in lines if line.startswith(f"  {machine}: {{") and line.rstrip().endswith("}")]
    if len(found) != 1:
        sys.exit(f"{machine}: is not on a line of its own among the machines of the site; fix: write it as `  {machine}: {{...}}`")
    return "".join(line for line in lines if line != found[0])


def build(site: Path) -> float:
    """Makes what is below the cluster, not timed, and then the cluster."""
    run("./inv", "up", "--site", str(site), "--to", BEFORE)
    return run("ansible-playbook", "-i", str(site), str(PLAYBOOK))


def idle_mib(site: Path) -> int:
    """Memory that all nodes use while nothing is asked of them."""
    folder = site.parent / "artifacts" / "kubernetes"
    words = [str(folder / "kubectl"), f"--kubeconfig={folder / 'admin.conf'}", "top", "nodes", "--no-headers"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return sum(int(line.split()[3].removesuffix("Mi")) for line in said.splitlines())


def main() -> int:
    """Prints seconds and ratios; exit code 1 where adding a worker costs half of the cluster, or nothing to do a third."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path, help="the site.yml of a lab that may be built and changed, and has no cluster yet")
    parser.add_argument("worker", help="one of its workers")
    arguments = parser.parse_args()
    site = arguments.site.absolute()
    text = site.read_text(encoding="utf-8")
    smaller = without(text, arguments.worker)
    try:
        site.write_text(smaller, encoding="utf-8")
        first = build(site)
    finally:
        site.write_text(text, encoding="utf-8")
    more = build(site)
    again = run("ansible-playbook", "-i", str(site), str(PLAYBOOK))
    print(f"the cluster without {arguments.worker}: {first:.0f} s")
    print(f"{arguments.worker} added: {more:.0f} s, ratio {more / first:.2f}")
    print(f"nothing changed: {again:.0f} s, ratio {again / first:.2f}")
    print(f"memory of idle nodes: {idle_mib(site)} MiB")
    return 1 if more > first / 2 or again > first / 3 else 0


if __name__ == "__main__":
    sys.exit(main())

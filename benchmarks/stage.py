"""How long a stage takes without one of its machines, with it, and where nothing changed: `python benchmarks/stage.py --help`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from lab import stages  # noqa: E402
from lab.site import load  # noqa: E402


def run(*argv: str, **settings: str) -> tuple[float, str]:
    """Seconds that a command took, and what it said; ends the benchmark where it fails, with what it printed last."""
    path = os.pathsep.join([str(ROOT / ".venv" / "bin"), os.environ["PATH"]])
    start = time.perf_counter()
    done = subprocess.run(argv, cwd=ROOT, env={**os.environ, **settings, "PATH": path}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(argv)}: ended with code {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - start, done.stdout


def without(text: str, machine: str) -> str:
    """A site without one of its machines, which stands on a line of its own there; ends the benchmark where it does not."""
    lines = text.splitlines(keepends=True)
    found = [line for line in lines if line.startswith(f"  {machine}: {{") and line.rstrip().endswith("}")]
    if len(found) != 1:
        sys.exit(f"{machine}: is not on a line of its own among the machines of the site; fix: write it as `  {machine}: {{...}}`")
    return "".join(line for line in lines if line != found[0])


def build(site: Path, stage: stages.Stage) -> tuple[float, str]:
    """Makes what is below the stage, not timed, and then the stage; with the share of each role."""
    below = [one.name for one in stages.order(stages.of(load(site))) if one.name in stage.needs]
    run("./inv", "up", "--site", str(site), "--to", below[-1])
    return run("ansible-playbook", "-i", str(site), str(stage.playbook), ANSIBLE_CALLBACKS_ENABLED="ansible.posix.profile_roles")


def shares(said: str) -> str:
    """The callback's table, which stands after the recap."""
    return said.rpartition("=" * 79)[0].rpartition("PLAY RECAP")[2].partition("\n\n")[2].strip()


def main() -> int:
    """Prints seconds and ratios; exit code 1 where adding a machine costs half of the stage, or nothing to do a third."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path, help="the site.yml of a lab that may be built and changed, and has not got this stage yet")
    parser.add_argument("stage", help="kubernetes or openstack")
    parser.add_argument("machine", help="one of its workers or computes")
    arguments = parser.parse_args()
    site, stage = arguments.site.absolute(), stages.get(arguments.stage)
    text = site.read_text(encoding="utf-8")
    smaller = without(text, arguments.machine)
    try:
        site.write_text(smaller, encoding="utf-8")
        first, said = build(site, stage)
    finally:
        site.write_text(text, encoding="utf-8")
    more, _ = build(site, stage)
    again, _ = run("ansible-playbook", "-i", str(site), str(stage.playbook))
    print(shares(said))
    print(f"{stage.name} without {arguments.machine}: {first:.0f} s")
    print(f"{arguments.machine} added: {more:.0f} s, ratio {more / first:.2f}")
    print(f"nothing changed: {again:.0f} s, ratio {again / first:.2f}")
    return 1 if more > first / 2 or again > first / 3 else 0


if __name__ == "__main__":
    sys.exit(main())

"""How long a role takes on a fresh machine and on a built one, beside a like role of others: `python benchmarks/converge.py --help`."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

PLAY = "- {{hosts: all, become: true, gather_subset: ['!all', virtual], roles: [{role}]}}\n"


def run(argv: list[str], env: Mapping[str, str]) -> float:
    """Seconds that a command took; ends the benchmark where it fails, with what it printed."""
    start = time.perf_counter()
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(argv)}: ended with code {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - start


def machines(scenario: str, verb: str, env: Mapping[str, str]) -> None:
    """Makes or removes the machines of a scenario."""
    run(["molecule", verb, "-s", scenario], env)


def measure(scenario: str, host: str, play: Path, env: Mapping[str, str]) -> tuple[float, float]:
    """Seconds of a play on a machine that has the baseline only, and of the same play again."""
    molecules = Path(env["MOLECULE_EPHEMERAL_DIRECTORY"])  # emptied by Molecule as it likes
    inventory = ROOT / "molecule" / scenario / "inventory.yml"
    playbook = ["ansible-playbook", "-i", str(inventory), "--limit", host]
    baseline = molecules.with_name("baseline.yml")
    machines(scenario, "destroy", env)
    machines(scenario, "create", env)
    baseline.write_text(PLAY.format(role="baseline"))
    settings = {**env, "ANSIBLE_CONFIG": str(molecules / "ansible.cfg")}
    run([*playbook, str(baseline)], settings)
    return run([*playbook, str(play)], settings), run([*playbook, str(play)], settings)


def environment(folder: Path, roles: Path) -> dict[str, str]:
    """What ansible-playbook needs besides the ansible.cfg that Molecule writes."""
    from lab import child

    found = {
        "MOLECULE_EPHEMERAL_DIRECTORY": str(folder / "molecule"),
        "MOLECULE_PROJECT_DIRECTORY": str(ROOT),
        "ANSIBLE_ROLES_PATH": os.pathsep.join([str(ROOT / "roles"), str(roles)]),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".venv" / "collections"),
        "ANSIBLE_LIBRARY": str(ROOT / "lab" / "plugins" / "modules"),
        "ANSIBLE_CONNECTION_PLUGINS": str(ROOT / "lab" / "plugins" / "connection"),
        "ANSIBLE_INVENTORY_ENABLED": "yaml",
        "STRATA_PROJECT": str(ROOT),
    }
    return child.environment(**found)


def main() -> int:
    """Prints seconds and ratios."""
    from lab import sandbox

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", help="a role of this project that has a scenario, such as nas")
    parser.add_argument("host", help="the machine of the scenario, such as mo-n-disks")
    parser.add_argument("--roles", type=Path, required=True, help="a folder with the other role in it")
    parser.add_argument("--play", type=Path, required=True, help="how the other role is used: one of benchmarks/against")
    arguments = parser.parse_args()
    sandbox.enter()
    folder = Path(tempfile.mkdtemp(prefix="strata-converge-"))
    env = environment(folder, arguments.roles.resolve())
    ours = folder / "ours.yml"
    try:
        ours.write_text(PLAY.format(role=arguments.role))
        mine = measure(arguments.role, arguments.host, ours, env)
        theirs = measure(arguments.role, arguments.host, arguments.play.resolve(), env)
    finally:
        machines(arguments.role, "destroy", env)
        shutil.rmtree(folder)
    for what, one, other in zip(("fresh machine", "again"), mine, theirs, strict=True):
        print(f"{what}: {arguments.role} {one:.1f} s, {arguments.play.stem} {other:.1f} s, ratio {one / other:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

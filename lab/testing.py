"""The tests of the project, from the cheapest to the dearest: lint, unit, one role, all roles, a whole rehearsal."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import child, sandbox, stages
from lab import rehearsal as rehearsals
from lab.errors import InputError, LabError, suggest
from lab.progress import duration
from lab.stages import ROOT

NO_SCENARIOS = frozenset({"default", "shared"})
OF_NO_ROLE = {"disk_image": "ovirt", "tiny_image": "openstack"}  # scenarios of what a stage's machines are made from


def everything(without: Sequence[str] = ()) -> int:
    """Everything, in turn; goes on after a failure and says at the end what failed.

    Stages of `without` are left out where they stand on machines: their roles, and the stages in the whole-stack test.
    """
    own = own_roles(without)
    sandbox.enter()  # first, for it starts the process again
    parts = (("lint", lint), ("unit", unit), ("roles", lambda: roles(without)), ("rehearsal", lambda: rehearsal(without)))
    codes = {name: function() for name, function in parts}
    bad = [name for name, code in codes.items() if code]
    if without:
        print(f"\nleft out, as asked: of the rehearsal, {', '.join(without)}; of the roles, {', '.join(own)}")
    print(f"\ntests failed: {', '.join(bad)}" if bad else "\nall tests passed")
    return 1 if bad else 0


def lint() -> int:
    """Every linter; all of them run, also after one found something."""
    scripts = _shell_scripts()
    commands = [
        ["ruff", "check"],
        ["ruff", "format", "--check"],
        ["mypy"],
        ["ansible-lint", "--offline", "-q", "--profile", "production"],
        ["yamllint", "--strict", "."],
        *([["shellcheck", *scripts]] if scripts else []),
    ]
    # ansible-lint parses playbooks without an inventory, which ansible.cfg refuses; nobody has made the secrets of the example.
    example = {"ANSIBLE_INVENTORY": str(ROOT / "inventories" / "production" / "site.yml"), "STRATA_LOOK_ONLY": "1"}
    return max([_command(command, **example) for command in commands])


def unit() -> int:
    """The tests of the Python parts, on all processors; one that is idle takes over what another has not begun."""
    return _command([sys.executable, "-m", "pytest", "lab", "--numprocesses", "logical", "--dist", "worksteal"])


def role(name: str) -> int:
    """One role on machines of its own; shows the whole run."""
    known = scenarios()
    if name not in known:
        raise InputError(f"role {name}: there is no molecule/{name}/molecule.yml; fix: {suggest(name, known)}")
    sandbox.enter()
    return _command(["molecule", "test", "-s", name])


def roles(without: Sequence[str] = ()) -> int:
    """All roles but those left out, as many at a time as there are processors; a log each, shown where the role failed."""
    own = own_roles(without)
    sandbox.enter()
    names = [name for name in scenarios() if name not in own]
    if not names:
        raise LabError(f"{ROOT / 'molecule'}: there is no scenario, so nothing is proven; fix: add molecule/<role>/molecule.yml")
    children = child.Children()
    with tempfile.TemporaryDirectory(prefix="strata-roles-") as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            good = list(pool.map(lambda name: _scenario(name, Path(folder), children), names))
        except BaseException:
            children.stop()
            raise
    return closing(good)


def rehearsal(without: Sequence[str] = ()) -> int:
    """A whole site: build, check, break, continue, remove."""
    left_out = [stages.get(name) for name in without]
    sandbox.enter()
    return closing(rehearsals.run(left_out))


def own_roles(names: Sequence[str]) -> list[str]:
    """The roles that these stages have and no other, and what else is made for them alone. Raises InputError for one that is not there."""
    others = {role for stage in stages.STAGES if stage.name not in names for role in stages.roles_of(stage)}
    found = dict.fromkeys(role for name in names for role in stages.roles_of(stages.get(name)))
    return [role for role in found if role not in others] + [scenario for scenario, stage in OF_NO_ROLE.items() if stage in names]


def scenarios(root: Path = ROOT) -> list[str]:
    """The roles that have a Molecule scenario."""
    found = [path.parent.name for path in sorted((root / "molecule").glob("*/molecule.yml"))]
    return [name for name in found if name not in NO_SCENARIOS]


def closing(good: Iterable[bool]) -> int:
    """The plain last line of a test that has parts; nothing that ran is a failure."""
    results = list(good)
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if results and all(results) else 1


def _scenario(name: str, folder: Path, children: child.Children) -> bool:
    log, began = folder / f"{name}.log", time.monotonic()
    code = children.run(["molecule", "test", "-s", name], child.environment(ANSIBLE_NOCOLOR="1", NO_COLOR="1"), log)
    took = duration(time.monotonic() - began)
    if code:
        print(
            f"--- role {name} failed:\n{log.read_text(encoding='utf-8', errors='replace')}\n--- role {name}: failed after {took}",
            flush=True,
        )
    else:
        print(f"role {name}: passed ({took})", flush=True)
    return code == 0


def _command(argv: list[str], **variables: str) -> int:
    print(f"$ {' '.join(argv)}", flush=True)
    try:
        return subprocess.run(argv, cwd=ROOT, env=child.environment(**variables), check=False).returncode
    except FileNotFoundError:
        raise LabError(f"{argv[0]}: is not installed; fix: ./inv doctor says what is missing") from None


def _shell_scripts() -> list[str]:
    """The project's files that a shell reads, by their first line."""
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False)
    return [name for name in names.stdout.splitlines() if _is_shell(ROOT / name)]


def _is_shell(path: Path) -> bool:
    if not path.is_file() or path.suffix == ".j2":  # a template is no script before it is filled in
        return False
    with path.open("rb") as file:
        first = file.readline(80)
    return first.startswith(b"#!") and first.split()[-1].rpartition(b"/")[2] in {b"sh", b"bash"}

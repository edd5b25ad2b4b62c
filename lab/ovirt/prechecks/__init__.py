"""What is known to fail in the long run of an oVirt installation, found before it begins.

Facts come from the machine (lab/plugins/modules/el_facts.py), the judgement is here and needs no machine. Every problem says which
machine it is about, what is the matter and how to mend it; all of them are found at once.
"""

from __future__ import annotations

from lab.errors import LabError
from lab.ovirt.prechecks import backup_file, engine, hypervisor, self_hosted
from lab.ovirt.prechecks.facts import Options

CHECKS = {"hypervisor": hypervisor.check, "engine": engine.check, "self_hosted": self_hosted.check}


def run(kind: str, name: str, facts: Options, wanted: Options) -> None:
    """Every check of `kind` on machine `name`: `facts` of el_facts against the `wanted` options of the kind.

    Raises LabError with a line for every problem.
    """
    problems = list(CHECKS[kind](facts, wanted))
    if file := wanted.get("restore_file"):
        problems += backup_file.check(file)
    if problems:
        raise LabError("\n".join(f"{name}: {problem}" for problem in problems))

"""The stages of a build: the only list of them, and what follows from a stage's name."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab import playbook
from lab.errors import InputError, suggest

if TYPE_CHECKING:
    from lab.site import Site

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Stage:
    """One step of the build; its playbook, tasks and checks are found by its name."""

    name: str
    summary: str
    needs: tuple[str, ...] = ()
    root: Path = ROOT  # where its playbook and roles are; tests have a tree of their own
    programs: tuple[str, ...] = ()  # folders of the library that its modules use, besides those of all stages
    is_optional: bool = True  # only where the site has a section of the stage's name

    @property
    def roles(self) -> Path:
        """The folder of all roles."""
        return self.root / "roles"

    @property
    def playbook(self) -> Path:
        """The playbook that builds this stage."""
        return self.root / "playbooks" / f"{self.name}.yml"


STAGES = (
    Stage("network", "router, subnets, names, addresses and time for every machine", is_optional=False),
    Stage("nas", "datasets with limits and snapshots, over NFS and SMB", ("network",)),
    Stage(
        "ovirt",
        "an engine with its hypervisors, networks and storage, and the machines on it",
        ("network", "nas"),
        programs=("lab/ovirt", "lab/images", "lab/simulators/ovirt", "lab/plugins/module_utils"),
    ),
    Stage("git", "the lab's repositories over SSH and HTTPS, this project among them", ("network", "ovirt")),
    Stage(
        "kubernetes",
        "a Kubernetes cluster with storage, load balancers and names of the lab",
        ("network", "nas", "ovirt"),
        programs=("lab/kubernetes",),
    ),
    Stage(
        "openstack",
        "a cloud of its own: servers, their networks and images, behind APIs over TLS",
        ("network", "nas"),
        programs=("lab/openstack", "lab/things", "lab/inventory/openstack_services"),
    ),
    Stage("backup", "copies of what cannot be made again, that no client can remove", ("network", "nas", "git", "kubernetes", "openstack")),
)


def of(site: Site, stages: tuple[Stage, ...] = STAGES) -> tuple[Stage, ...]:
    """The stages a site has: those without which there is no lab, and those whose section stands in its file."""
    return tuple(stage for stage in stages if not stage.is_optional or getattr(site, stage.name, None) is not None)


def order(stages: Iterable[Stage] = STAGES) -> tuple[Stage, ...]:
    """The stages with everything a stage needs before it; needs outside of `stages` do not count.

    Raises graphlib.CycleError where the list itself is wrong.
    """
    by_name = {stage.name: stage for stage in stages}
    graph = {name: [need for need in stage.needs if need in by_name] for name, stage in by_name.items()}
    return tuple(by_name[name] for name in graphlib.TopologicalSorter(graph).static_order())


def get(name: str, stages: Iterable[Stage] = STAGES) -> Stage:
    """The stage of that name."""
    by_name = {stage.name: stage for stage in stages}
    if name in by_name:
        return by_name[name]
    if name in {stage.name for stage in STAGES}:
        raise InputError(f"stage {name}: the site does not have it; fix: write the section `{name}:` in its site.yml")
    raise InputError(f"stage {name}: there is no such stage; fix: {suggest(name, by_name)}")


def select(
    to: str | None = None, only: str | None = None, from_: str | None = None, stages: tuple[Stage, ...] = STAGES
) -> tuple[Stage, ...]:
    """The stages a run is about, in order: all up to `to`, all that build on `from_`, or `only` one."""
    if only and (to or from_):
        raise InputError("--only names the one stage to run, so --to and --from say nothing beside it; fix: leave out either")
    if only:
        return (get(only, stages),)
    chosen = {stage.name for stage in stages}
    if to:
        chosen &= _reached(get(to, stages).name, {stage.name: set(stage.needs) & chosen for stage in stages})
    if from_:
        users = {stage.name: {other.name for other in stages if stage.name in other.needs} for stage in stages}
        chosen &= _reached(get(from_, stages).name, users)
    if not chosen:
        raise InputError(f"--from {from_} --to {to}: {to} does not build on {from_}, so there is nothing to run; fix: leave out either")
    return tuple(stage for stage in order(stages) if stage.name in chosen)


def needed(name: str, stages: Iterable[Stage] = STAGES) -> set[str]:
    """The stage and all that stands when it is built; of a stage that is not among them, only itself."""
    edges = {stage.name: set(stage.needs) for stage in stages}
    return _reached(name, edges) if name in edges else {name}


def roles_of(stage: Stage) -> list[str]:
    """The roles named in the stage's playbook, in the order of their first use."""
    return playbook.named_roles(stage.playbook)


def _reached(start: str, edges: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    todo = [start]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(edges[name])
    return found

"""Which machines stand behind a simulator, what they need before it starts, and how they go."""

from __future__ import annotations

import os
from collections.abc import Callable

from lab.errors import LabError
from lab.platforms.podman import inspect, remove_container
from lab.simulators.ovirt.backend import Backend
from lab.simulators.ovirt.machines import container, image, namespaces, uml
from lab.simulators.ovirt.machines.container import ContainerMachines
from lab.simulators.ovirt.machines.spec import Spec
from lab.simulators.ovirt.machines.uml import UmlMachines


def title(spec: Spec) -> str:
    """What virtual machines run on. `auto` is User Mode Linux: KVM is not built yet."""
    return container.NAME if spec.backend == "container" else uml.NAME


def backend(spec: Spec) -> Backend:
    """The backend the spec asks for."""
    return ContainerMachines(spec) if spec.backend == "container" else UmlMachines(spec)


def prepare(spec: Spec, say: Callable[[str], None]) -> None:
    """Makes what takes minutes, with the controller's network, which a simulator does not have."""
    image.ensure(spec.suite, say)


def engine_process(spec: Spec, known: int = 0) -> int:
    """A process of the engine's container, or 0; podman is only asked where the known one is not in this process' network any more."""
    if known and namespaces.identity(known) == namespaces.identity(os.getpid()):
        return known
    try:
        return int(inspect(spec.engine_container)["State"]["Pid"])
    except LabError:  # it is not there just now
        return 0


def left(spec: Spec) -> list[str]:
    """Containers of its machines that are there."""
    return uml.containers(spec)


def remove_all(spec: Spec) -> None:
    """Removes its machines' containers."""
    for name in left(spec):
        remove_container(name)

"""A node on its way to another release: its pods go elsewhere before its kubelet is exchanged, and may come back once it is ready again."""

from __future__ import annotations

from typing import Any

from lab.change import Change
from lab.errors import LabError
from lab.kubernetes import live, nodes, versions
from lab.kubernetes.apply import Cluster
from lab.wait import wait_for

OURS = "strata/upgrade"  # an annotation: who made the node unschedulable, so that nobody else's reason for it is overruled
READY_SECONDS = 600.0


def allowed(now: str, wanted: str) -> None:
    """Looks whether a machine that runs one release may go to another; both as `1.36.4`.

    Raises LabError naming both where a minor is left out, or the way goes back.
    """
    problem = versions.upgrade_problem(versions.parse(now), versions.parse(wanted))
    if problem:
        raise LabError(f"kubernetes.version: {problem}")


def away(cluster: Cluster, name: str, *, check: bool = False) -> Change:
    """Lets no new pods on a node and has those that are there go elsewhere; a run that was cut off is continued.

    Raises LabError where pods cannot be moved, and then the node takes no new ones.
    """
    node = live.get(cluster, "node", name)
    is_ours = OURS in node["metadata"].get("annotations", {})
    # What was kept from pods before is not ours to open again afterwards.
    if not check and not is_ours and not _is_closed(node):
        cluster.run("annotate", "node", name, f"{OURS}=drained")
    if not check:
        nodes.drain(cluster, name)
    return Change(f"node {name}", True, {"takes pods": not _is_closed(node)}, {"takes pods": False})


def back(cluster: Cluster, name: str, wanted: str, *, check: bool = False, limit_seconds: float = READY_SECONDS) -> Change:
    """Waits until a node is ready at the wanted release (`1.36.4`), then lets pods on it again where an upgrade had kept them off.

    Raises LabError saying what was last seen of it.
    """
    node = live.get(cluster, "node", name)
    if check:
        return Change(f"node {name}", False)

    def seen() -> tuple[str, bool]:
        found = live.get(cluster, "node", name)
        return found["status"]["nodeInfo"]["kubeletVersion"], live.ready(found)

    what = f"node {name} is ready at v{wanted}"
    wait_for(what, seen, lambda found: found == (f"v{wanted}", True), limit_seconds, pause_seconds=2.0, where=str(cluster.kubeconfig))
    is_ours = OURS in node["metadata"].get("annotations", {})
    if is_ours:
        cluster.run("uncordon", name)
        cluster.run("annotate", "node", name, f"{OURS}-")
    return Change(f"node {name}", is_ours, {"takes pods": not _is_closed(node)}, {"takes pods": is_ours or not _is_closed(node)})


def _is_closed(node: dict[str, Any]) -> bool:
    return bool(node.get("spec", {}).get("unschedulable"))

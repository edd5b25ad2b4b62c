"""Nodes that the site no longer has: their pods go elsewhere first, then the cluster forgets them."""

from __future__ import annotations

import json
from collections.abc import Collection

from lab.change import Change
from lab.errors import LabError
from lab.kubernetes.apply import Cluster

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
DRAIN_SECONDS = 600
GIVEN_UP_SECONDS = 60  # a pod of a node that is gone was told to end, and nobody is there to say that it did


def leave(cluster: Cluster, wanted: Collection[str], *, check: bool = False) -> Change:
    """Takes every worker out of the cluster that is not among the wanted names; nobody else is touched.

    Raises LabError for a control plane, which is also a member of etcd, and where pods of a node cannot be moved.
    """
    what = "nodes of the cluster"
    if check and not cluster.kubeconfig.is_file():
        return Change(what, False)
    found = {node["metadata"]["name"]: node for node in json.loads(cluster.run("get", "nodes", "--output=json").stdout)["items"]}
    extra = sorted(found.keys() - set(wanted))
    members = [name for name in extra if CONTROL_PLANE in found[name]["metadata"].get("labels", {})]
    if members:
        raise LabError(
            f"{', '.join(members)}: a control plane of the cluster that the site no longer has, and it is a member of etcd"
            "; nothing was changed; fix: `kubeadm reset` on it, which takes it out of etcd, then kubectl delete node, then this again"
        )
    for name in extra if not check else ():
        drain(cluster, name)
        cluster.run("delete", "node", name)
    return Change(what, bool(extra), {"nodes": sorted(found)}, {"nodes": sorted(found.keys() - set(extra))})


def drain(cluster: Cluster, name: str) -> None:
    """Has the pods of a node go elsewhere, but for those that belong to every node.

    Raises LabError where some cannot.
    """
    skip = f"--skip-wait-for-delete-timeout={GIVEN_UP_SECONDS}"
    try:
        cluster.run("drain", name, "--ignore-daemonsets", "--delete-emptydir-data", f"--timeout={DRAIN_SECONDS}s", skip)
    except LabError as error:
        raise LabError(
            f"{error}\nnode {name}: its pods could not be moved within {DRAIN_SECONDS} s, so it stays, and takes no new ones"
            f"; fix: see what holds them (a PodDisruptionBudget, a pod without a controller), or `kubectl uncordon {name}` and keep it"
        ) from None

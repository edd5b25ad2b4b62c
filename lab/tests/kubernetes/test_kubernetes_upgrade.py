"""Nodes on their way to another release; with a kubectl that keeps a node and writes down how it is called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError
from lab.kubernetes import upgrade
from lab.kubernetes.apply import Cluster

KUBECTL = """#!/bin/sh
folder=$(dirname "$0")
shift 2
echo "$*" | sed 's/ --[^ ]*//g' >> "$folder/calls"
case "$1" in
  get) cat "$folder/node" ;;
  drain) if [ -e "$folder/held" ]; then echo 'Cannot evict pod as it would violate the budget' >&2; exit 1; fi ;;
esac
"""


def node(folder: Path, version: str = "v1.36.4", *, ready: bool = True, closed: bool = False, ours: bool = False) -> None:
    """What the cluster says of node w1."""
    found: dict[str, Any] = {
        "metadata": {"name": "w1", "annotations": {upgrade.OURS: "drained"} if ours else {}},
        "spec": {"unschedulable": True} if closed else {},
        "status": {
            "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": str(ready)}],
            "nodeInfo": {"kubeletVersion": version},
        },
    }
    (folder / "node").write_text(json.dumps(found))


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    (tmp_path / "admin.conf").write_text("")
    node(tmp_path)
    return Cluster(tmp_path / "kubectl", tmp_path / "admin.conf")


def calls(cluster: Cluster) -> list[str]:
    """What kubectl was told besides looking."""
    file = cluster.kubectl.parent / "calls"
    found = file.read_text().splitlines() if file.exists() else []
    return [call for call in found if not call.startswith("get ")]


@pytest.mark.parametrize(("now", "wanted"), [("1.36.4", "1.36.4"), ("1.36.4", "1.36.5"), ("1.36.4", "1.37.0")])
def test_the_next_release_is_let_through(now: str, wanted: str) -> None:
    upgrade.allowed(now, wanted)


@pytest.mark.parametrize(
    ("now", "wanted", "said"),
    [
        ("1.36.4", "1.38.0", "kubernetes.version: from v1.36.4 to v1.38.0 a minor is left out, .*; fix: upgrade to 1.37 first"),
        ("1.37.0", "1.36.4", "kubernetes.version: the cluster runs v1.37.0 and cannot go back to v1.36.4; fix: "),
        ("1.36.4", "1.36.3", "cannot go back"),
    ],
)
def test_a_step_that_upstream_does_not_support_is_refused(now: str, wanted: str, said: str) -> None:
    with pytest.raises(LabError, match=said):
        upgrade.allowed(now, wanted)


def test_a_node_is_marked_before_its_pods_go_elsewhere(cluster: Cluster) -> None:
    change = upgrade.away(cluster, "w1")
    assert (change.changed, change.before, change.after) == (True, {"takes pods": True}, {"takes pods": False})
    assert calls(cluster) == [f"annotate node w1 {upgrade.OURS}=drained", "drain w1"]


def test_an_upgrade_that_was_cut_off_drains_again_and_opens_the_node_in_the_end(cluster: Cluster) -> None:
    node(cluster.kubectl.parent, closed=True, ours=True)
    upgrade.away(cluster, "w1")
    assert calls(cluster) == ["drain w1"]
    node(cluster.kubectl.parent, "v1.37.0", closed=True, ours=True)
    assert upgrade.back(cluster, "w1", "1.37.0").changed
    assert calls(cluster)[1:] == ["uncordon w1", f"annotate node w1 {upgrade.OURS}-"]


def test_a_node_that_somebody_else_closed_stays_closed(cluster: Cluster) -> None:
    node(cluster.kubectl.parent, closed=True)
    upgrade.away(cluster, "w1")
    node(cluster.kubectl.parent, "v1.37.0", closed=True)
    change = upgrade.back(cluster, "w1", "1.37.0")
    assert (change.changed, change.after) == (False, {"takes pods": False})
    assert calls(cluster) == ["drain w1"]


@pytest.mark.parametrize(
    ("version", "ready"), [("v1.36.4", True), ("v1.37.0", False)], ids=["the kubelet is still the old one", "the node is not ready"]
)
def test_no_pod_comes_back_before_the_node_is_ready_at_the_wanted_release(cluster: Cluster, version: str, ready: bool) -> None:
    node(cluster.kubectl.parent, version, ready=ready, closed=True, ours=True)
    with pytest.raises(LabError, match=r"node w1 is ready at v1\.37\.0"):
        upgrade.back(cluster, "w1", "1.37.0", limit_seconds=0.1)
    assert calls(cluster) == []


def test_pods_that_cannot_move_stop_the_upgrade_of_their_node(cluster: Cluster) -> None:
    (cluster.kubectl.parent / "held").touch()
    with pytest.raises(LabError, match=r"violate the budget(.|\n)*node w1: its pods could not be moved"):
        upgrade.away(cluster, "w1")


def test_a_dry_run_only_looks(cluster: Cluster) -> None:
    assert upgrade.away(cluster, "w1", check=True).changed
    assert not upgrade.back(cluster, "w1", "1.37.0", check=True).changed
    assert calls(cluster) == []

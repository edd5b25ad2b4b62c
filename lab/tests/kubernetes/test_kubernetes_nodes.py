"""Workers that leave a cluster: drained first, then forgotten; with a kubectl that writes down how it is called."""

import json
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.kubernetes import nodes
from lab.kubernetes.apply import Cluster

KUBECTL = """#!/bin/sh
folder=$(dirname "$0")
shift 2
echo "$1 $2" >> "$folder/calls"
case "$1" in
  get) cat "$folder/nodes" ;;
  drain) if [ -e "$folder/held" ]; then echo 'Cannot evict pod as it would violate the budget' >&2; exit 1; fi ;;
esac
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    (tmp_path / "admin.conf").write_text("")
    labels = {"cp1": {nodes.CONTROL_PLANE: ""}, "w1": {}, "w2": {}}
    (tmp_path / "nodes").write_text(json.dumps({"items": [{"metadata": {"name": name, "labels": one}} for name, one in labels.items()]}))
    return Cluster(tmp_path / "kubectl", tmp_path / "admin.conf")


def calls(cluster: Cluster) -> list[str]:
    file = cluster.kubectl.parent / "calls"
    return file.read_text().splitlines() if file.exists() else []


def test_a_worker_that_leaves_is_drained_first(cluster: Cluster) -> None:
    change = nodes.leave(cluster, ["cp1", "w1"])
    assert change.changed and change.after == {"nodes": ["cp1", "w1"]}
    assert calls(cluster) == ["get nodes", "drain w2", "delete node"]


def test_nobody_else_is_touched(cluster: Cluster) -> None:
    assert not nodes.leave(cluster, ["cp1", "w1", "w2", "w3"]).changed
    assert calls(cluster) == ["get nodes"]


def test_a_dry_run_only_looks(cluster: Cluster) -> None:
    assert nodes.leave(cluster, ["cp1", "w1"], check=True).changed
    assert calls(cluster) == ["get nodes"]
    cluster.kubeconfig.unlink()
    assert not nodes.leave(cluster, ["cp1"], check=True).changed


def test_a_control_plane_is_refused_before_any_worker_is_touched(cluster: Cluster) -> None:
    with pytest.raises(LabError, match=r"cp1: a control plane of the cluster .*; nothing was changed; fix: "):
        nodes.leave(cluster, ["w1"])
    assert calls(cluster) == ["get nodes"]


def test_a_worker_whose_pods_cannot_move_stays(cluster: Cluster) -> None:
    (cluster.kubectl.parent / "held").touch()
    with pytest.raises(LabError, match=r"violate the budget(.|\n)*node w2: its pods could not be moved .*; fix: "):
        nodes.leave(cluster, ["cp1", "w1"])
    assert "delete node" not in calls(cluster)

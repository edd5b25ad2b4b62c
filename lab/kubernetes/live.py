"""A cluster as checks see it: with the administrator's kubeconfig, from the controller, in namespaces of their own that go afterwards."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from lab.errors import LabError
from lab.kubernetes import artifacts
from lab.kubernetes.apply import Cluster, Object
from lab.kubernetes.manifest import Artifacts
from lab.wait import wait_for

PREFIX = "check"
GONE_SECONDS = 180.0
Variables = Mapping[str, Any]


def parts(known: Variables) -> Artifacts:
    """What the cluster was installed from, by the variables of role kubernetes_node.

    Raises LabError where it is not on this computer.
    """
    wanted = known["kubernetes_node_artifacts"]
    source = artifacts.Source(wanted["source"], wanted.get("from", ""))
    found = artifacts.find(source, wanted["version"], wanted.get("addons", []))
    if found is None:
        raise LabError(f"Kubernetes {wanted['version']}: its programs are not on this computer; fix: ./inv up makes them")
    return found


def cluster(known: Variables) -> Cluster:
    """The cluster, by the variables of role kubernetes_control_plane."""
    return Cluster(parts(known).binaries["kubectl"], Path(known["kubernetes_control_plane_kubeconfig"]))


def image(known: Variables, name: str) -> str:
    """The reference of an image by the last part of its name, such as busybox."""
    found = [one.reference for one in parts(known).images if one.reference.rpartition("/")[2].partition(":")[0] == name]
    if not found:
        raise LabError(f"image {name}: is not among what the cluster was installed from; fix: name its addon among the artifacts")
    return found[0]


def get(ours: Cluster, *words: str) -> Any:
    """What `kubectl get WORDS` finds, as data."""
    return json.loads(ours.run("get", *words, "--output=json").stdout)


def make(ours: Cluster, namespace: str, *objects: Object) -> None:
    """Makes objects in a namespace."""
    ours.run(f"--namespace={namespace}", "apply", "--filename=-", given=yaml.safe_dump_all(objects))


def ready(node: Object) -> bool:
    """Whether a node, as the API shows it, takes pods."""
    return any(one["type"] == "Ready" and one["status"] == "True" for one in node["status"]["conditions"])


def pods_of(ours: Cluster, namespace: str, label: str) -> list[Object]:
    """The pods with a label that are not on their way out."""
    found: list[Object] = get(ours, "pods", f"--namespace={namespace}", f"--selector={label}")["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def wait_for_pods(ours: Cluster, namespace: str, label: str, count: int, limit_seconds: float, *, not_on: str = "") -> list[Object]:
    """Waits until as many pods are ready, none of them on a certain node, and returns them."""

    def probe() -> list[Object]:
        return [pod for pod in pods_of(ours, namespace, label) if is_ready(pod) and pod["spec"].get("nodeName") != not_on]

    what = f"{count} ready pods with {label} in namespace {namespace}" + (f", none on {not_on}" if not_on else "")
    seen: dict[str, list[Object]] = {}

    def names() -> list[str]:
        seen["pods"] = probe()
        return [pod["metadata"]["name"] for pod in seen["pods"]]

    wait_for(what, names, lambda found: len(found) >= count, limit_seconds, pause_seconds=1.0, where=str(ours.kubeconfig))
    return seen["pods"]


def is_ready(pod: Object) -> bool:
    """Whether a pod serves."""
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod.get("status", {}).get("conditions", []))


def pod(name: str, reference: str, *command: str, label: str = "", **more: Any) -> Object:
    """A pod of one container that every namespace lets in; `more` goes to its container, but for what is the pod's (`spec`, a dict)."""
    spec = more.pop("spec", {})
    safe = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {"name": "main", "image": reference, "imagePullPolicy": "Never", "command": list(command), "securityContext": safe, **more}
    metadata = {"name": name, "labels": {"app": label or name}}
    grace = {"terminationGracePeriodSeconds": 1, "restartPolicy": "Never", "automountServiceAccountToken": False}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**grace, **spec, "containers": [container]}}


@contextmanager
def namespace(ours: Cluster) -> Iterator[str]:
    """A namespace for one check; it is told to go afterwards, with all that was made in it (see `all_gone`)."""
    name = f"{PREFIX}-{uuid.uuid4().hex[:8]}"
    ours.run("create", "namespace", name)
    try:
        # No pod is let in before its account is there, and the cluster makes that after the namespace.
        account = ("serviceaccount", "default", f"--namespace={name}", "--ignore-not-found", "--output=name")
        wait_for(f"namespace {name} has its account", lambda: ours.run("get", *account).stdout.strip(), bool, GONE_SECONDS)
        yield name
    finally:
        ours.run("delete", "namespace", name, "--wait=false")


def all_gone(ours: Cluster) -> None:
    """Waits until no namespace of a check is on its way out: the next check need not wait for the ends of another's pods.

    Raises LabError naming those that stay.
    """

    def leaving() -> list[str]:
        found = get(ours, "namespaces")["items"]
        names = [one["metadata"]["name"] for one in found if "deletionTimestamp" in one["metadata"]]
        return [name for name in names if name.startswith(f"{PREFIX}-")]

    wait_for("namespaces of checks are gone", leaving, lambda found: not found, GONE_SECONDS, pause_seconds=1.0, where=str(ours.kubeconfig))

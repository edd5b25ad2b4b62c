"""What role kubernetes_worker promises: machines that run what the cluster gives them, and whose loss it survives."""

import pytest

from lab.kubernetes import live
from lab.reboots import reboot
from lab.wait import wait_for

PODS_SECONDS = 300
REBOOT_SECONDS = 300
# How long pods bear with a node that says nothing; five minutes unless they say so.
PATIENCE_SECONDS = 15
NOTICED_SECONDS = 120  # until the cluster takes such a node for lost


@pytest.fixture(scope="module")
def machines(played, lab, variables):
    found = [(name, lab(name), variables(name)) for name in played("kubernetes_worker")]
    if not found:
        pytest.skip("the site has no worker: its control planes run workloads")
    return found


@pytest.fixture(scope="module")
def known(machines, variables):
    return variables(machines[0][2]["kubernetes_worker_first"])


def spread(name, reference, count):
    """A deployment whose pods want to be on different nodes, and leave a lost one soon."""
    lost = [
        {"key": f"node.kubernetes.io/{why}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": PATIENCE_SECONDS}
        for why in ("not-ready", "unreachable")
    ]
    apart = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": name}},
    }
    template = live.pod(
        name, reference, "/agnhost", "netexec", "--http-port=8080", spec={"tolerations": lost, "topologySpreadConstraints": [apart]}
    )
    template["spec"].pop("restartPolicy")
    spec = {
        "replicas": count,
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": template["spec"]},
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def test_every_worker_is_ready_at_the_wanted_release(cluster, machines):
    nodes = {node["metadata"]["name"]: node for node in live.get(cluster, "nodes")["items"]}
    for name, _, known in machines:
        node = nodes.get(known["kubernetes_worker_node"])
        assert node, f"{name}: is no node of the cluster, which has {', '.join(nodes)}"
        assert live.ready(node), f"{name}: {node['status']['conditions']}"
        assert node["status"]["nodeInfo"]["kubeletVersion"] == f"v{known['kubernetes_node_artifacts']['version']}"


def test_no_credentials_of_joining_are_left(machines):
    for name, host, _ in machines:
        assert not host.file("/var/lib/strata/kubernetes-join.yaml").exists, name
        assert not host.file("/etc/kubernetes/bootstrap-kubelet.conf").exists, name


def test_pods_are_spread_over_the_workers(cluster, machines, known, namespace):
    live.make(cluster, namespace, spread("web", live.image(known, "agnhost"), 3))
    found = live.wait_for_pods(cluster, namespace, "app=web", 3, PODS_SECONDS)
    used = {pod["spec"]["nodeName"] for pod in found}
    assert len(used) == min(3, len(machines)), used


def test_a_pod_that_eats_too_much_memory_is_ended(cluster, known, namespace):
    limits = {"limits": {"memory": "32Mi"}}
    # It keeps all of a line, and this is one that does not end.
    live.make(cluster, namespace, live.pod("eater", live.image(known, "busybox"), "/bin/tail", "/dev/zero", resources=limits))

    def ended():
        found = live.get(cluster, "pod", "eater", f"--namespace={namespace}")["status"].get("containerStatuses", [{}])
        return found[0].get("state", {}).get("terminated", {})

    # 128 and SIGKILL, which nobody but the kernel sends it; the reason, OOMKilled, comes in an event that may be later than the end.
    assert wait_for("the pod is ended", ended, bool, PODS_SECONDS, pause_seconds=1.0)["exitCode"] == 137


@pytest.mark.disruptive
def test_pods_of_a_lost_worker_come_back_elsewhere(cluster, machines, known, namespace):
    if len(machines) < 2:
        pytest.skip("there is no other worker that could take over")
    live.make(cluster, namespace, spread("web", live.image(known, "agnhost"), 2))
    live.wait_for_pods(cluster, namespace, "app=web", 2, PODS_SECONDS)
    name, host, lost = machines[-1]
    # As if its power was gone, as far as the cluster can see: nothing on it speaks any more. A reboot brings it back.
    host.check_output("systemctl stop kubelet containerd")
    try:
        limit = NOTICED_SECONDS + PATIENCE_SECONDS + PODS_SECONDS
        live.wait_for_pods(cluster, namespace, "app=web", 2, limit, not_on=lost["kubernetes_worker_node"])
    finally:
        reboot(host, name, REBOOT_SECONDS)
    node = lost["kubernetes_worker_node"]
    wait_for(f"node {node} is ready", lambda: live.ready(live.get(cluster, "node", node)), bool, PODS_SECONDS, pause_seconds=2.0)

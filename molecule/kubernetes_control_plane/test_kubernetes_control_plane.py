"""What role kubernetes_control_plane promises, seen from the controller with the administrator's kubeconfig.

Every check works in a namespace of its own, which goes afterwards.
"""

import base64
import json
import stat
import uuid
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.kubernetes import live
from lab.reboots import reboot
from lab.together import each
from lab.wait import wait_for

REBOOT_SECONDS = 300
API_SECONDS = 300
ETCD = (
    "etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt"
    " --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key"
)


@pytest.fixture(scope="module")
def machines(played, lab, variables):
    found = [(name, lab(name), variables(name)) for name in played("kubernetes_control_plane")]
    assert found, "role kubernetes_control_plane is played on no machine, so nothing can be checked"
    return found


@pytest.fixture(scope="module")
def first(machines):
    return next(machine for machine in machines if machine[0] == machine[2]["kubernetes_control_plane_first"])


@pytest.fixture(scope="module")
def known(first):
    return first[2]


def answers(cluster):
    """What the API says of itself; empty while it does not answer."""
    try:
        return cluster.run("get", "--raw", "/readyz").stdout
    except LabError:
        return ""


def test_the_kubeconfig_on_the_controller_is_for_its_owner_alone(known):
    assert stat.S_IMODE(Path(known["kubernetes_control_plane_kubeconfig"]).stat().st_mode) == 0o600


def test_the_api_answers_at_its_address(cluster, known):
    assert answers(cluster) == "ok"
    server = cluster.run("config", "view", "--minify", "--output=jsonpath={.clusters[0].cluster.server}").stdout
    assert server.startswith(f"https://{known['kubernetes_control_plane_endpoint_address']}:"), server


def test_every_control_plane_is_ready_at_the_wanted_release(cluster, machines):
    nodes = {node["metadata"]["name"]: node for node in live.get(cluster, "nodes")["items"]}
    for name, _, known in machines:
        node = nodes.get(known["kubernetes_control_plane_node"])
        assert node, f"{name}: is no node of the cluster, which has {', '.join(nodes)}"
        assert live.ready(node), f"{name}: {node['status']['conditions']}"
        assert node["status"]["nodeInfo"]["kubeletVersion"] == f"v{known['kubernetes_control_plane_version']}"
        assert "node-role.kubernetes.io/control-plane" in node["metadata"]["labels"]


def test_the_api_servers_are_of_the_wanted_release(cluster, known):
    version = json.loads(cluster.run("version", "--output=json").stdout)["serverVersion"]
    assert version["gitVersion"] == f"v{known['kubernetes_control_plane_version']}"


def test_a_secret_is_not_readable_where_it_is_kept(cluster, first, namespace):
    text = uuid.uuid4().hex
    live.make(cluster, namespace, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "check"}, "stringData": {"word": text}})
    command = f"{ETCD} get /registry/secrets/{namespace}/check --print-value-only | base64 --wrap=0"
    kept = base64.b64decode(first[1].check_output(command))
    assert kept.startswith(b"k8s:enc:secretbox:v1:site:"), kept[:40]
    assert text.encode() not in kept
    assert live.get(cluster, "secret", "check", f"--namespace={namespace}")["data"]["word"] == base64.b64encode(text.encode()).decode()


def test_who_did_what_is_written_down_without_what_is_secret(cluster, machines, namespace):
    text = uuid.uuid4().hex
    live.make(cluster, namespace, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "audited"}, "stringData": {"word": text}})
    # Behind an address that moves, any of the API servers may have been asked.
    command = f'grep --fixed-strings \'"namespace":"{namespace}","name":"audited"\' /var/log/kubernetes/audit.log'
    found = "".join(host.run(command).stdout for _, host, _ in machines)
    assert '"verb":"' in found, "nothing about the secret is in any audit log"
    assert text not in found and base64.b64encode(text.encode()).decode() not in found


def test_a_pod_with_more_rights_than_the_baseline_is_refused(cluster, known, namespace):
    if known["kubernetes_control_plane_pod_security"] == "privileged":
        pytest.skip("the site lets every pod in (pod_security: privileged)")
    bad = live.pod("bad", live.image(known, "busybox"), "/bin/sleep", "600", securityContext={"privileged": True})
    with pytest.raises(LabError, match="violates PodSecurity"):
        live.make(cluster, namespace, bad)


def test_services_are_made_of_nftables(machines):
    def check(machine):
        name, host, _ = machine
        assert host.run("nft list table ip kube-proxy").rc == 0, f"{name}: kube-proxy has no table of nftables"

    each(check, machines)


def test_only_administrators_of_a_machine_read_the_keys_on_it(machines):
    for name, host, _ in machines:
        for path in ("/etc/kubernetes/admin.conf", "/etc/kubernetes/lab/encryption.yaml", "/etc/kubernetes/pki/ca.key"):
            file = host.file(path)
            assert file.mode == 0o600 and file.user == "root", f"{name}: {path} has mode {file.mode:o}"
        assert not host.file("/etc/kubernetes/lab/join.yaml").exists, name


def test_a_backup_can_be_taken_and_read(machines):
    def check(machine):
        name, host, known = machine
        host.check_output("/usr/local/sbin/kubernetes-save")
        said = json.loads(host.check_output("etcdutl snapshot status %s/etcd.db --write-out=json", known["kubernetes_control_plane_saved"]))
        assert said["totalKey"] > 0, name

    each(check, machines)


@pytest.mark.disruptive
def test_the_state_of_the_cluster_comes_back_from_a_backup(cluster, machines, first, namespace):
    if len(machines) > 1:
        pytest.skip("etcd has several members; a restore onto one of them is not built yet")
    _, host, _ = first
    live.make(cluster, namespace, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}, "data": {"word": "before"}})
    host.check_output("/usr/local/sbin/kubernetes-save")
    cluster.run(f"--namespace={namespace}", "delete", "configmap", "kept")
    host.check_output("/usr/local/sbin/kubernetes-restore")
    wait_for("the API answers again", lambda: answers(cluster), lambda said: said == "ok", API_SECONDS, pause_seconds=2.0)
    assert live.get(cluster, "configmap", "kept", f"--namespace={namespace}")["data"]["word"] == "before"


@pytest.mark.disruptive
def test_the_api_answers_while_a_control_plane_is_down(cluster, machines, namespace):
    if len(machines) < 3:
        pytest.skip("etcd has no majority without its only control plane")
    name, host, known = machines[0]
    # Nothing of it serves any more: not the address of the API either, which the first one has unless it was down before.
    host.check_output("systemctl stop keepalived haproxy kubelet && crictl pods --quiet | xargs --no-run-if-empty crictl stopp")
    try:
        wait_for(
            "the API answers without it", lambda: answers(cluster), lambda said: said == "ok", API_SECONDS, pause_seconds=2.0, where=name
        )
        live.make(cluster, namespace, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "written"}, "data": {"word": name}})
        assert live.get(cluster, "configmap", "written", f"--namespace={namespace}")["data"]["word"] == name
    finally:
        reboot(host, name, REBOOT_SECONDS)
    node = known["kubernetes_control_plane_node"]
    wait_for(f"node {node} is ready", lambda: live.ready(live.get(cluster, "node", node)), bool, API_SECONDS, pause_seconds=2.0)


@pytest.mark.disruptive
def test_a_control_plane_that_reboots_is_ready_again(cluster, machines):
    for name, host, known in machines:
        reboot(host, name, REBOOT_SECONDS)
        wait_for("the API answers", lambda: answers(cluster), lambda said: said == "ok", API_SECONDS, pause_seconds=2.0, where=name)
        node = known["kubernetes_control_plane_node"]
        wait_for(
            f"node {node} is ready",
            lambda node=node: live.ready(live.get(cluster, "node", node)),
            bool,
            API_SECONDS,
            pause_seconds=2.0,
        )

"""What role kubernetes_addons promises: pods find and reach each other, keep what they write, and are reached from outside."""

import urllib.request
import uuid
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from lab.kubernetes import live
from lab.wait import wait_for

SECONDS = 300
METRICS_SECONDS = 180


@pytest.fixture(scope="module")
def known(played, variables):
    found = played("kubernetes_addons")
    assert found, "role kubernetes_addons is played on no machine, so nothing can be checked"
    return variables(found[0])


def finished(cluster, namespace, name):
    """The words of a pod that ended well; the check fails with those of one that did not."""

    def phase():
        return live.get(cluster, "pod", name, f"--namespace={namespace}")["status"].get("phase", "")

    ended = wait_for(f"pod {name} has ended", phase, lambda seen: seen in ("Succeeded", "Failed"), SECONDS, pause_seconds=1.0)
    words = cluster.run(f"--namespace={namespace}", "logs", name).stdout
    assert ended == "Succeeded", f"{name}: {words}"
    return words


def on(node):
    """A pod's place."""
    return {"nodeSelector": {"kubernetes.io/hostname": node}, "tolerations": [{"operator": "Exists"}]}


def shell(known, name, script, **more):
    return live.pod(name, live.image(known, "busybox"), "/bin/sh", "-ec", script, **more)


def web(known, name, node=""):
    """A pod that says its own name over HTTP."""
    place = {"spec": on(node)} if node else {}
    return live.pod(name, live.image(known, "agnhost"), "/agnhost", "netexec", "--http-port=8080", label="web", **place)


def service(name, kind):
    ports = [{"port": 80, "targetPort": 8080}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"type": kind, "selector": {"app": "web"}, "ports": ports},
    }


def claim(name, storage_class):
    size = {"requests": {"storage": "16Mi"}}
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": storage_class, "resources": size}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def with_volume(known, name, script, node):
    volume = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}
    return shell(known, name, script, volumeMounts=[{"name": "data", "mountPath": "/data"}], spec={**on(node), **volume})


def test_every_node_is_one_of_the_site_and_ready(cluster, known):
    nodes = {node["metadata"]["name"]: node for node in live.get(cluster, "nodes")["items"]}
    assert sorted(nodes) == sorted(known["kubernetes_addons_nodes"])
    assert [name for name, node in nodes.items() if not live.ready(node)] == []


def test_names_of_services_are_found_in_pods(cluster, known, namespace):
    live.make(cluster, namespace, service("web", "ClusterIP"), shell(known, "asks", f"nslookup web.{namespace}.svc.cluster.local"))
    wanted = live.get(cluster, "service", "web", f"--namespace={namespace}")["spec"]["clusterIP"]
    assert wanted in finished(cluster, namespace, "asks")


def test_pods_of_different_nodes_reach_each_other_through_a_service(cluster, known, namespace):
    workers = known["kubernetes_addons_workers"]
    live.make(cluster, namespace, service("web", "ClusterIP"), web(known, "server", workers[0]))
    live.wait_for_pods(cluster, namespace, "app=web", 1, SECONDS)
    live.make(cluster, namespace, shell(known, "asks", "wget -q -T 20 -O - http://web/hostname", spec=on(workers[-1])))
    assert finished(cluster, namespace, "asks") == "server"


def asks(cluster, namespace, client, url):
    """Whether a pod gets an answer."""
    words = ("exec", client, "--", "/bin/sh", "-c", f"wget -q -T 3 -O - {url} > /dev/null && echo yes || echo no")
    return cluster.run(f"--namespace={namespace}", *words).stdout.strip() == "yes"


def test_a_network_policy_says_who_reaches_a_pod(cluster, known, namespace):
    if not known["kubernetes_addons_network_policies"]:
        pytest.skip("nobody heeds network policies in this cluster (kubernetes.network_policies)")
    workers = known["kubernetes_addons_workers"]
    clients = [shell(known, name, "sleep 3600", spec=on(workers[-1])) for name in ("friend", "stranger")]
    live.make(cluster, namespace, service("web", "ClusterIP"), web(known, "server", workers[0]), *clients)
    for name in ("web", "friend", "stranger"):
        live.wait_for_pods(cluster, namespace, f"app={name}", 1, SECONDS)
    for name in ("friend", "stranger"):
        what = f"{name} is answered while there is no policy"
        wait_for(what, lambda name=name: asks(cluster, namespace, name, "http://web/"), bool, SECONDS, pause_seconds=1.0)
    spec = {
        "podSelector": {"matchLabels": {"app": "web"}},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "friend"}}}]}],
    }
    live.make(
        cluster, namespace, {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "friends"}, "spec": spec}
    )
    what = "the stranger is refused"
    wait_for(what, lambda: asks(cluster, namespace, "stranger", "http://web/"), lambda answered: not answered, SECONDS, pause_seconds=1.0)
    assert asks(cluster, namespace, "friend", "http://web/"), "a policy that lets friends in refuses them too"


def test_what_runs_is_measured(cluster):
    words = wait_for(
        "figures of every node",
        lambda: cluster.run("top", "nodes", "--no-headers", good=(0, 1)).stdout.split(),
        lambda seen: bool(seen) and "<unknown>" not in seen,
        METRICS_SECONDS,
        pause_seconds=3.0,
    )
    assert any(word.endswith("Mi") for word in words), words


def test_a_volume_on_a_node_keeps_what_is_written(cluster, known, namespace):
    node, text = known["kubernetes_addons_workers"][0], uuid.uuid4().hex
    live.make(cluster, namespace, claim("data", "local"), with_volume(known, "writes", f"echo {text} > /data/word; sync", node))
    finished(cluster, namespace, "writes")
    live.make(cluster, namespace, with_volume(known, "reads", "cat /data/word", node))
    assert finished(cluster, namespace, "reads").strip() == text


def test_a_volume_on_the_nas_is_read_on_another_worker(cluster, known, namespace):
    if not known.get("kubernetes_addons_volumes"):
        pytest.skip("the site keeps no volumes on its NAS (kubernetes.storage)")
    workers, text = known["kubernetes_addons_workers"], uuid.uuid4().hex
    live.make(cluster, namespace, claim("data", "nas"), with_volume(known, "writes", f"echo {text} > /data/word; sync", workers[0]))
    finished(cluster, namespace, "writes")
    live.make(cluster, namespace, with_volume(known, "reads", "cat /data/word", workers[-1]))
    assert finished(cluster, namespace, "reads").strip() == text


def address_of(cluster, namespace, name):
    def probe():
        found = live.get(cluster, "service", name, f"--namespace={namespace}")["status"]["loadBalancer"].get("ingress", [])
        return found[0]["ip"] if found else ""

    return wait_for(f"service {name} has an address", probe, bool, SECONDS, pause_seconds=1.0)


def is_of_services(known, address):
    first, last = map(IPv4Address, known["kubernetes_addons_addresses"].split("-"))
    return first <= IPv4Address(address) <= last


def test_a_service_is_reached_from_outside_at_an_address_of_its_own(cluster, known, namespace):
    """From the controller, which is in another network: through the router, where the site has one."""
    if not known.get("kubernetes_addons_addresses"):
        pytest.skip("the site has no addresses for services (kubernetes.load_balancer)")
    live.make(cluster, namespace, service("web", "LoadBalancer"), web(known, "server"))
    live.wait_for_pods(cluster, namespace, "app=web", 1, SECONDS)
    address = address_of(cluster, namespace, "web")
    assert is_of_services(known, address), address

    def answer():
        try:
            with urllib.request.urlopen(f"http://{address}/hostname", timeout=5) as said:
                return said.read().decode()
        except OSError as error:
            return f"({error})"

    assert wait_for(f"http://{address} answers", answer, lambda said: not said.startswith("("), SECONDS, pause_seconds=1.0) == "server"


def who_may_come(wanted, members, variables):
    """A machine of another subnet that the router lets through to an address; None where there is none."""
    router = variables(members("router")[0])
    legs = [(leg["name"], IPv4Network(leg["cidr"]), leg["reach"]) for leg in router["router_legs"]]
    subnet = next(name for name, cidr, _ in legs if IPv4Address(wanted) in cidr)
    for client in members("client"):
        address = IPv4Address(variables(client)["ansible_host"])
        if any(address in cidr and subnet in reach for _, cidr, reach in legs):
            return client
    return None


def named_and_who_may_come(known, members, variables):
    """A record among the addresses of services, and a machine of another subnet that the router lets through to it."""
    router = variables(members("router")[0])
    # That of the ingress is taken.
    free = [one for one in router["router_records"] if one["address"] != known.get("kubernetes_addons_ingress_address")]
    records = [one for one in free if is_of_services(known, one["address"])]
    client = who_may_come(records[0]["address"], members, variables) if records else None
    return (records[0], client) if client else None


def answer_of(lab, client, url, script):
    """What a script on a machine prints, once it succeeds."""
    said = wait_for(
        f"{url} answers",
        lambda: lab(client).run("python3 -c %s", script),
        lambda done: done.rc == 0,
        SECONDS,
        pause_seconds=1.0,
        where=client,
    )
    return said.stdout.strip()


@pytest.mark.live
def test_a_service_is_found_by_name_from_another_subnet(cluster, known, namespace, members, variables, lab):
    if not known.get("kubernetes_addons_addresses") or not members("router"):
        pytest.skip("the site has no addresses for services, or no router")
    found = named_and_who_may_come(known, members, variables)
    if found is None:
        pytest.skip("no record names an address of services, or no client in another subnet may come")
    record, client = found
    taken = live.get(cluster, "services", "--all-namespaces")["items"]
    if any(one["ip"] == record["address"] for item in taken for one in item["status"].get("loadBalancer", {}).get("ingress", [])):
        pytest.skip(f"{record['address']} is in use by a workload")
    wanted = service("web", "LoadBalancer")
    wanted["metadata"]["annotations"] = {"metallb.universe.tf/loadBalancerIPs": record["address"]}
    live.make(cluster, namespace, wanted, web(known, "server"))
    live.wait_for_pods(cluster, namespace, "app=web", 1, SECONDS)
    assert address_of(cluster, namespace, "web") == record["address"]
    url = f"http://{record['name']}.{known['kubernetes_addons_domain']}/hostname"
    script = f"import urllib.request; print(urllib.request.urlopen({url!r}, timeout=5).read().decode())"
    assert answer_of(lab, client, url, script) == "server"


@pytest.mark.live
def test_a_deployment_is_served_over_https_by_name_to_another_subnet(cluster, known, namespace, members, variables, lab):
    if not known.get("kubernetes_addons_ingress_name") or not members("router"):
        pytest.skip("the site has no ingress (kubernetes.ingress), or no router")
    client = who_may_come(known["kubernetes_addons_ingress_address"], members, variables)
    if client is None:
        pytest.skip("no client in another subnet may come")
    host = f"{namespace}.{known['kubernetes_addons_ingress_name']}"
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    ingress = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}, "spec": {"rules": [rule]}}
    live.make(cluster, namespace, service("web", "ClusterIP"), web(known, "server"), ingress)
    live.wait_for_pods(cluster, namespace, "app=web", 1, SECONDS)
    # Nothing but the lab's own authority is trusted. What is asked without encryption is sent there, too.
    trusted = Path(known["kubernetes_addons_ingress_authority"]).read_text()
    script = (
        f"import ssl, urllib.request; context = ssl.create_default_context(cadata={trusted!r});"
        f" print(urllib.request.urlopen('http://{host}/hostname', timeout=5, context=context).read().decode())"
    )
    assert answer_of(lab, client, f"https://{host}", script) == "server"

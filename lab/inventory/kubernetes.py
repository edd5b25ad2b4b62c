"""Roles container_runtime, kubernetes_node, kubernetes_control_plane, kubernetes_worker and kubernetes_addons."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path

from lab import ca
from lab.inventory import nas
from lab.inventory.common import PROJECT, Variables, authority, secret
from lab.inventory.ovirt import merged
from lab.sections import kubernetes
from lab.sections.kubernetes import Ingress, Kubernetes
from lab.sections.nas_checks import nas_machine
from lab.site import Site
from lab.site_machines import Machine

API, ETCD_CLIENT, ETCD_PEER, KUBELET, OVERLAY, MEMBERS = 6443, 2379, 2380, 10250, 8472, 7946
PROXIES = 8443  # of the API behind a virtual address: beside an API server, which has the usual port
OVERLAY_HEADER = 50  # bytes that VXLAN puts around a frame
CLIENT = "client"  # the group of machines that the lab's people work on
VOLUMES = "/srv/kubernetes/volumes"  # where every node mounts the dataset for volumes
MIB = 1024
ADDONS = ("checks", "flannel", "local_path", "metrics_server")  # of lab/kubernetes/releases.py
SOURCE = "kubernetes"  # of the backup
INGRESS = "ingress"  # its certificate
SAVED = "/var/lib/kubernetes-backup"
# What kubeadm refuses and what is known to work all the same, by what a machine is.
FEW_PROCESSORS, NOT_LIKE_OTHERS = "NumCPU", "SystemVerification"


def groups(site: Site) -> dict[str, list[str]]:
    """Groups that follow from the section: all nodes, the control plane that begins the cluster, and who keeps an ingress's certificate."""
    names = [machine.name for machine in kubernetes.nodes(site)]
    has_ingress = site.kubernetes is not None and site.kubernetes.ingress is not None
    return {"kubernetes": names, "kubernetes_first": names[:1], "kubernetes_ingress": names[:1] if has_ingress else []}


def kubeconfig(site: Site) -> Path:
    """What the controller logs in to the cluster with."""
    return site.artifacts / "kubernetes" / "admin.conf"


def variables(site: Site, secrets: Mapping[str, str], name: str) -> Variables:
    """What a node's roles see; nothing on other machines."""
    ours, machine = site.kubernetes, site.machines[name]
    if ours is None or name not in groups(site)["kubernetes"]:
        return {}
    found = runtime(site, ours, machine) | node(site, ours, machine)
    if machine in kubernetes.control_planes(site):
        found |= control_plane(site, ours, secrets, machine)
    else:
        found |= worker(site, ours, machine)
    if name in groups(site)["kubernetes_first"]:
        found |= addons(site, ours)
    if ours.ingress and name in groups(site)["kubernetes_ingress"]:
        found |= ingress(site, ours.ingress)
    return found


def artifacts(ours: Kubernetes) -> Variables:
    """What has to be there of binaries and images, and where they come from (lab/kubernetes)."""
    return {"source": ours.source.kind, "from": ours.source.from_ or "", "version": ours.version, "addons": wanted_addons(ours)}


def wanted_addons(ours: Kubernetes) -> list[str]:
    """The parts of the cluster that kubeadm does not bring."""
    more = {"metallb": ours.load_balancer, "network_policies": ours.network_policies, "traefik": ours.ingress}
    return [*ADDONS, *(addon for addon, is_wanted in more.items() if is_wanted)]


def runtime(site: Site, ours: Kubernetes, machine: Machine) -> Variables:
    """Role container_runtime."""
    mtu = site.network.subnets[next(iter(machine.interfaces))].mtu
    return {
        "container_runtime_project": str(PROJECT),
        "container_runtime_artifacts": artifacts(ours),
        "container_runtime_mtu": mtu - OVERLAY_HEADER,
    }


def node(site: Site, ours: Kubernetes, machine: Machine) -> Variables:
    """Role kubernetes_node."""
    is_control_plane = machine in kubernetes.control_planes(site)
    least = 1700 if is_control_plane else 700  # what kubeadm asks of a control plane; what the cluster's own pods take
    found: Variables = {
        "kubernetes_node_project": str(PROJECT),
        "kubernetes_node_artifacts": artifacts(ours),
        "kubernetes_node_images": [
            "node",
            *(["control_plane"] if is_control_plane else []),
            *(f"addon:{one}" for one in wanted_addons(ours)),
        ],
        "kubernetes_node_binaries": ["kubelet", "kubeadm", "kubectl", *(["etcdctl", "etcdutl"] if is_control_plane else [])],
        # A machine finds itself at 127.0.1.1, as every Debian does.
        "kubernetes_node_names": {other.name: str(other.address) for other in kubernetes.nodes(site) if other != machine}
        | api_name(site, ours),
        "kubernetes_node_memory_mib": least,
        "kubernetes_node_network_policies": ours.network_policies,
        "kubernetes_node_name": machine.name,
        "kubernetes_node_is_first": machine.name in groups(site)["kubernetes_first"],
        "kubernetes_node_kubeconfig": str(kubeconfig(site)),
        "kubernetes_node_tolerated": tolerated(site, machine),
    }
    if ours.storage:
        mount = {
            "server": f"{nas_machine(site)}.{site.domain}",
            "export": nas.path(ours.storage.dataset),
            "path": VOLUMES,
            "read_only": False,
        }
        found["nas_client_mounts"] = [mount]
        found["nas_client_has_programs"] = CLIENT in machine.groups
    return found


def api_name(site: Site, ours: Kubernetes) -> Variables:
    """The name the API is reached by, with its address."""
    return {f"{ours.endpoint}.{site.domain}": str(kubernetes.endpoint(site))}


def control_plane(site: Site, ours: Kubernetes, secrets: Mapping[str, str], machine: Machine) -> Variables:
    """Role kubernetes_control_plane. Its first machine begins the cluster, the others join it."""
    everyone = kubernetes.control_planes(site)
    is_virtual = kubernetes.endpoint_is_virtual(site)
    leg = next(iter(machine.interfaces.values()))
    prefix = site.network.subnets[leg.subnet].cidr.prefixlen
    return {
        "kubernetes_control_plane_version": ours.version,
        "kubernetes_control_plane_cluster": site.name,
        "kubernetes_control_plane_node": machine.name,
        "kubernetes_control_plane_address": str(machine.address),
        "kubernetes_control_plane_first": everyone[0].name,
        "kubernetes_control_plane_endpoint": f"{ours.endpoint}.{site.domain}",
        "kubernetes_control_plane_endpoint_address": str(kubernetes.endpoint(site)),
        "kubernetes_control_plane_virtual": {
            "address": f"{kubernetes.endpoint(site)}/{prefix}" if is_virtual else "",
            "interface": leg.interface,
            "priority": 150 - everyone.index(machine),
            "vrrp_id": 1 + int(kubernetes.endpoint(site) or 0) % 255,  # of VRRP: the same on all, and another one than of a neighbour
            "port": PROXIES,
        },
        "kubernetes_control_plane_peers": [{"name": other.name, "address": str(other.address)} for other in everyone],
        "kubernetes_control_plane_pods": str(ours.pods),
        "kubernetes_control_plane_services": str(ours.services),
        "kubernetes_control_plane_encryption_key": encryption_key(secret(site, secrets, ours.encryption.secret)),
        "kubernetes_control_plane_pod_security": ours.pod_security,
        "kubernetes_control_plane_runs_workloads": not kubernetes.workers(site),
        "kubernetes_control_plane_tolerated": tolerated(site, machine),
        "kubernetes_control_plane_kubeconfig": str(kubeconfig(site)),
        "kubernetes_control_plane_saved": SAVED,
    }


def worker(site: Site, ours: Kubernetes, machine: Machine) -> Variables:
    """Role kubernetes_worker."""
    return {
        "kubernetes_worker_node": machine.name,
        "kubernetes_worker_address": str(machine.address),
        "kubernetes_worker_first": kubernetes.control_planes(site)[0].name,
        "kubernetes_worker_endpoint": api(site, ours),
        "kubernetes_worker_tolerated": tolerated(site, machine),
    }


def api(site: Site, ours: Kubernetes) -> str:
    """Where the API is, as nodes know it."""
    return f"{ours.endpoint}.{site.domain}:{PROXIES if kubernetes.endpoint_is_virtual(site) else API}"


def addons(site: Site, ours: Kubernetes) -> Variables:
    """Role kubernetes_addons, which works from the controller; the first control plane only carries its variables."""
    found = kubernetes.range_of(site)
    return {
        "kubernetes_addons_project": str(PROJECT),
        "kubernetes_addons_artifacts": artifacts(ours),
        "kubernetes_addons_kubeconfig": str(kubeconfig(site)),
        "kubernetes_addons_pods": str(ours.pods),
        "kubernetes_addons_addresses": f"{found[0]}-{found[1]}" if found else "",
        "kubernetes_addons_volumes": VOLUMES if ours.storage else "",
        "kubernetes_addons_nodes": [machine.name for machine in kubernetes.nodes(site)],
        "kubernetes_addons_workers": [machine.name for machine in kubernetes.workers(site) or kubernetes.control_planes(site)],
        "kubernetes_addons_domain": site.domain,
        "kubernetes_addons_network_policies": ours.network_policies,
    }


def ingress(site: Site, ours: Ingress) -> Variables:
    """Role certificate, for the name of the ingress and all names below it, and what role kubernetes_addons has to know of both."""
    name = f"{ours.record}.{site.domain}"
    return {
        "certificate_name": INGRESS,
        "certificate_names": [name, f"*.{name}"],
        "certificate_authority": str(authority(site)),
        "certificate_project": str(PROJECT),
        "kubernetes_addons_ingress_name": name,
        "kubernetes_addons_ingress_address": next(str(record.address) for record in site.network.records if record.name == ours.record),
        "kubernetes_addons_ingress_certificate": f"/etc/ssl/lab/{INGRESS}",
        "kubernetes_addons_ingress_authority": str(authority(site) / ca.CERTIFICATE),
    }


def encryption_key(text: str) -> str:
    """32 bytes of any secret, in base64, as the API server wants them."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def tolerated(site: Site, machine: Machine) -> list[str]:
    """Checks of kubeadm that such a machine cannot pass, though a cluster works on it; role kubernetes_node says so."""
    kind = machine.platform.kind
    # Guests of a simulated engine are what vms are: User Mode Linux, with one processor, and so no control group for sets of them.
    if kind == "vm" or (kind == "ovirt" and site.ovirt is not None and site.ovirt.engine.kind == "simulator"):
        return [FEW_PROCESSORS, NOT_LIKE_OTHERS]
    return [FEW_PROCESSORS] if kind == "ovirt" and machine.vcpus < 2 else []


def firewall(site: Site, name: str) -> list[Variables]:
    """What a node lets in: the API from everywhere that the router lets through, the rest from nodes and pods."""
    ours, machine = site.kubernetes, site.machines[name]
    if ours is None or name not in groups(site)["kubernetes"]:
        return []
    peers = merged([str(leg.address) for other in kubernetes.nodes(site) for leg in other.interfaces.values()])
    inside = merged([*peers, str(ours.pods)])
    lab = merged(
        [*(str(subnet.cidr) for subnet in site.network.subnets.values()), *map(str, site.network.uplink.manage_from), str(ours.pods)]
    )

    def rule(comment: str, protocol: str, ports: list[int], sources: list[str]) -> Variables:
        return {"comment": comment, "protocol": protocol, "ports": ports, "sources": sources, "interfaces": []}

    rules = [
        rule("kubelet", "tcp", [KUBELET], inside),
        rule("pods of other nodes", "udp", [OVERLAY], peers),
    ]
    if ours.load_balancer:
        rules += [rule("who answers for services", protocol, [MEMBERS], peers) for protocol in ("tcp", "udp")]
    if machine in kubernetes.control_planes(site):
        of_control_planes = merged([str(leg.address) for other in kubernetes.control_planes(site) for leg in other.interfaces.values()])
        rules += [
            rule("API", "tcp", [API, *([PROXIES] if kubernetes.endpoint_is_virtual(site) else [])], lab),
            rule("etcd", "tcp", [ETCD_CLIENT, ETCD_PEER], of_control_planes),
            *([rule("who has the address of the API", "vrrp", [], of_control_planes)] if kubernetes.endpoint_is_virtual(site) else []),
        ]
    return rules

"""What is built from Go modules: for each product a folder of `modules` with its own go.mod and go.sum, so that versions do not fight.

go.mod names the version, once; go.sum has the hash of every module that goes into it. `python -m lab.kubernetes.pin` writes both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MODULES = Path(__file__).parent / "modules"
COMPONENTS = ("kubelet", "kubeadm", "kubectl", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
CNI = "github.com/containernetworking/plugins"


@dataclass(frozen=True)
class Product:
    """One go.mod: the module whose version counts, and its programs as name -> package.

    `stamps` are variables the linker sets to the version: without them programs report one that kubeadm and operators cannot use.
    `replaced` are modules taken in another version than upstream's (each with its reason, below). `has_c` where gcc compiles parts of it,
    `is_old` where modules call what Go's library keeps to itself since, which its linker has to be told to bear with.
    `beside` is the folder of a product whose modules it takes where its own are older, so that what both use is compiled once.
    """

    folder: str
    module: str
    programs: Mapping[str, str]
    stamps: tuple[str, ...] = ()
    flags: Mapping[str, str] = field(default_factory=dict)
    replaced: Mapping[str, str] = field(default_factory=dict)
    has_c: bool = False
    is_old: bool = False
    beside: str = ""

    @property
    def files(self) -> list[Path]:
        """All that is compiled besides modules, go.mod and go.sum first."""
        place = MODULES / self.folder
        return [place / "go.mod", place / "go.sum", *sorted(place.glob("*.go"))]

    @property
    def version(self) -> str:
        """As go.mod names it, such as v1.36.4; ValueError where it does not."""
        return required(self.files[0].read_text(encoding="utf-8"), self.module)


def required(go_mod: str, module: str) -> str:
    """The version of a module that a go.mod requires.

    Raises ValueError where it requires none.
    """
    found = re.search(rf"^(?:require )?\s*{re.escape(module)} (v\S+)", go_mod, re.MULTILINE)
    if not found:
        raise ValueError(f"go.mod does not require {module}")
    return found.group(1)


def kubernetes(line: str) -> Product:
    """All of one minor release, the test binaries too."""
    programs = {name: f"k8s.io/kubernetes/cmd/{name}" for name in COMPONENTS}
    major, minor = line.split(".")
    component, client = "k8s.io/component-base/version", "k8s.io/client-go/pkg/version"
    return Product(
        folder=f"kubernetes-{line}",
        module="k8s.io/kubernetes",
        programs=programs | {"agnhost": "k8s.io/kubernetes/test/images/agnhost"},
        stamps=(f"{component}.gitVersion", f"{client}.gitVersion"),
        flags={f"{place}.git{key}": value for place in (component, client) for key, value in {"Major": major, "Minor": minor}.items()}
        | {f"{place}.gitTreeState": "clean" for place in (component, client)},
    )


def etcd(line: str) -> Product:
    """The server and its tools; the version is compiled in."""
    modules = {"etcd": "server", "etcdctl": "etcdctl", "etcdutl": "etcdutl"}
    programs = {name: f"go.etcd.io/etcd/{module}/v3" for name, module in modules.items()}
    return Product(folder=f"etcd-{line}", module="go.etcd.io/etcd/server/v3", programs=programs)


def coredns(version: str, line: str) -> Product:
    """The cluster's DNS; the version is compiled in. Its main.go says which plugins it has; `line` is the release it belongs to."""
    program = {"coredns": f"strata/coredns-{version}"}
    return Product(folder=f"coredns-{version}", module="github.com/coredns/coredns", programs=program, beside=f"kubernetes-{line}")


CONTAINERD = Product(
    folder="containerd",
    module="github.com/containerd/containerd/v2",
    programs={name: f"github.com/containerd/containerd/v2/cmd/{name}" for name in ("containerd", "ctr", "containerd-shim-runc-v2")},
    stamps=("github.com/containerd/containerd/v2/version.Version",),
)
CRICTL = Product(
    folder="crictl",
    module="sigs.k8s.io/cri-tools",
    programs={"crictl": "sigs.k8s.io/cri-tools/cmd/crictl"},
    stamps=("sigs.k8s.io/cri-tools/pkg/version.Version",),
)
CNI_PLUGINS = Product(
    folder="cni",
    module=CNI,
    programs={
        "cni/bandwidth": f"{CNI}/plugins/meta/bandwidth",
        "cni/bridge": f"{CNI}/plugins/main/bridge",
        "cni/firewall": f"{CNI}/plugins/meta/firewall",
        "cni/host-local": f"{CNI}/plugins/ipam/host-local",
        "cni/loopback": f"{CNI}/plugins/main/loopback",
        "cni/portmap": f"{CNI}/plugins/meta/portmap",
    },
    stamps=(f"{CNI}/pkg/utils/buildversion.BuildVersion",),
)
FLANNEL = Product(
    folder="flannel",
    module="github.com/flannel-io/flannel",
    programs={"flanneld": "github.com/flannel-io/flannel"},
    stamps=("github.com/flannel-io/flannel/pkg/version.Version",),
    # Of a cloud's backend that no lab uses; the versions upstream names are not at every proxy.
    replaced={
        "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common": "v1.3.209",
        "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/vpc": "v1.3.75",
    },
    has_c=True,  # its oldest backend, which upstream's flanneld has on this architecture
)
METRICS_SERVER = Product(
    folder="metrics-server",
    module="sigs.k8s.io/metrics-server",
    programs={"metrics-server": "sigs.k8s.io/metrics-server/cmd/metrics-server"},
    stamps=("k8s.io/client-go/pkg/version.gitVersion",),
)
LOCAL_PATH = Product(
    folder="local-path",
    module="github.com/rancher/local-path-provisioner",
    programs={"local-path-provisioner": "github.com/rancher/local-path-provisioner"},
    stamps=("main.VERSION",),
    beside="kubernetes-1.36",
)
# The last line without a module (frr-k8s) that not every proxy has; its API is that of later ones.
METALLB = Product(
    folder="metallb",
    module="go.universe.tf/metallb",
    programs={"metallb-controller": "go.universe.tf/metallb/controller", "metallb-speaker": "go.universe.tf/metallb/speaker"},
    stamps=("go.universe.tf/metallb/internal/version.version",),
    is_old=True,  # golang.org/x/net of its time
)
NETWORK_POLICIES = Product(
    folder="network-policies",
    module="sigs.k8s.io/kube-network-policies",
    programs={"kube-network-policies": "sigs.k8s.io/kube-network-policies/cmd"},
)
TRAEFIK = Product(
    folder="traefik",
    module="github.com/traefik/traefik/v3",
    programs={"traefik": "github.com/traefik/traefik/v3/cmd/traefik"},
    stamps=("github.com/traefik/traefik/v3/pkg/version.Version",),
)

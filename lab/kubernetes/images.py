"""The images of a cluster, each from a program and what that calls, under upstream's names, so that upstream's manifests fit."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.kubernetes import debian, oci, products
from lab.kubernetes.manifest import Image
from lab.kubernetes.oci import File, Folder, Member, Settings
from lab.kubernetes.releases import Release

REGISTRY = "registry.k8s.io"
NOBODY = "65532:65532"  # the unprivileged user of upstream's images
TEMPORARY = Folder("/tmp", 0o1777)  # noqa: S108 - of an image
COMPILER = ("gcc", "-Os", "-Wall", "-static", "-s", "-Wl,--build-id=none")
# Without names nft lists numbers, which kube-proxy takes for elements that somebody else left: one that starts again would remove its own.
PROTOCOLS = b"icmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\nipv6-icmp 58 IPv6-ICMP\nsctp 132 SCTP\n"
COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")


@dataclass(frozen=True)
class Recipe:
    """An image: who needs it (see manifest.Image), what is in it, and how it starts."""

    reference: str
    role: str
    members: tuple[Member, ...]
    settings: Settings


@dataclass(frozen=True)
class Parts:
    """What images are made of: compiled programs by name, the folder of Debian's files, and the file of pause."""

    programs: Mapping[str, Path]
    debian: Path
    pause: Path


def needed(release: Release) -> dict[str, str]:
    """Reference -> role of the images that kubeadm wants, the same as its `config images list`."""
    version = release.kubernetes.version
    found = {f"{REGISTRY}/{name}:{version}": "control_plane" for name in COMPONENTS}
    found[f"{REGISTRY}/kube-proxy:{version}"] = "node"
    found[f"{REGISTRY}/coredns/coredns:{release.coredns.version}"] = "node"
    found[f"{REGISTRY}/pause:{release.pause}"] = "node"
    found[f"{REGISTRY}/etcd:{release.etcd.version.removeprefix('v')}-0"] = "control_plane"
    return found


def recipes(release: Release, addons: tuple[str, ...], parts: Parts) -> list[Recipe]:
    """All images of a release with these addons."""
    found = [recipe(reference, role, parts) for reference, role in needed(release).items()]
    for addon in sorted(addons):
        found += ADDONS[addon](parts, release)
    by_reference = {entry.reference: entry for entry in reversed(found)}  # two addons may share one
    return [by_reference[reference] for reference in sorted(by_reference)]


def recipe(reference: str, role: str, parts: Parts) -> Recipe:
    """One of kubeadm's images; its manifests name the programs that are in PATH."""
    name = reference.rpartition("/")[2].partition(":")[0]
    if name == "pause":
        return Recipe(reference, role, (File("/pause", parts.pause),), Settings(entrypoint=["/pause"], user="65535:65535"))
    if name == "coredns":
        # Not upstream's user: a port below 1024 would then hang on the runtime's settings.
        return Recipe(reference, role, (File("/coredns", parts.programs["coredns"]),), Settings(entrypoint=["/coredns"]))
    if name == "etcd":
        tools = tuple(File(f"/usr/local/bin/{tool}", parts.programs[tool]) for tool in ("etcd", "etcdctl", "etcdutl"))
        return Recipe(reference, role, tools, Settings())
    program = File(f"/usr/local/bin/{name}", parts.programs[name])
    more = _nft(parts) if name == "kube-proxy" else []
    return Recipe(reference, role, (program, TEMPORARY, *more), Settings(entrypoint=[program.path]))


def _nft(parts: Parts) -> list[Member]:
    return [*debian.nft(parts.debian), File("/etc/protocols", PROTOCOLS, 0o644)]


def _single(reference: str, addon: str, path: str, program: Path, user: str = NOBODY) -> Recipe:
    return Recipe(reference, f"addon:{addon}", (File(path, program), TEMPORARY), Settings(entrypoint=[path], user=user))


def _flannel(parts: Parts, _: Release) -> list[Recipe]:
    members = (File("/opt/bin/flanneld", parts.programs["flanneld"]), *_nft(parts), *debian.iptables(parts.debian))
    settings = Settings(entrypoint=["/opt/bin/flanneld"])
    return [Recipe(f"ghcr.io/flannel-io/flannel:{products.FLANNEL.version}", "addon:flannel", members, settings)]


def _metrics_server(parts: Parts, _: Release) -> list[Recipe]:
    reference = f"{REGISTRY}/metrics-server/metrics-server:{products.METRICS_SERVER.version}"
    return [_single(reference, "metrics_server", "/metrics-server", parts.programs["metrics-server"])]


def _local_path(parts: Parts, _: Release) -> list[Recipe]:
    reference = f"docker.io/rancher/local-path-provisioner:{products.LOCAL_PATH.version}"
    program = parts.programs["local-path-provisioner"]
    return [_single(reference, "local_path", "/usr/bin/local-path-provisioner", program, user=""), _busybox(parts, "local_path")]


def _metallb(parts: Parts, _: Release) -> list[Recipe]:
    version = products.METALLB.version
    return [
        _single(f"quay.io/metallb/{name}:{version}", "metallb", f"/{name}", parts.programs[f"metallb-{name}"], user="")
        for name in ("controller", "speaker")
    ]


def _network_policies(parts: Parts, _: Release) -> list[Recipe]:
    reference = f"{REGISTRY}/networking/kube-network-policies:{products.NETWORK_POLICIES.version}"
    program = parts.programs["kube-network-policies"]
    return [_single(reference, "network_policies", "/bin/netpol", program, user="")]


def _traefik(parts: Parts, _: Release) -> list[Recipe]:
    return [
        _single(f"docker.io/library/traefik:{products.TRAEFIK.version}", "traefik", "/usr/local/bin/traefik", parts.programs["traefik"])
    ]


def _checks(parts: Parts, release: Release) -> list[Recipe]:
    reference = f"{REGISTRY}/e2e-test-images/agnhost:{release.agnhost}"
    agnhost = Recipe(
        reference,
        "addon:checks",
        (File("/agnhost", parts.programs["agnhost"]), TEMPORARY, *debian.busybox(parts.debian)),
        Settings(entrypoint=["/agnhost"]),
    )
    return [agnhost, _busybox(parts, "checks")]


def _busybox(parts: Parts, addon: str) -> Recipe:
    reference = f"docker.io/library/busybox:{debian.busybox_version(parts.debian)}"
    return Recipe(reference, f"addon:{addon}", (*debian.busybox(parts.debian), TEMPORARY), Settings(entrypoint=["/bin/sh"]))


ADDONS: dict[str, Callable[[Parts, Release], list[Recipe]]] = {
    "checks": _checks,
    "flannel": _flannel,
    "local_path": _local_path,
    "metallb": _metallb,
    "metrics_server": _metrics_server,
    "network_policies": _network_policies,
    "traefik": _traefik,
}


def write(found: Recipe, folder: Path) -> Image:
    """Writes the archive of an image into a folder."""
    file = folder / f"{found.reference.replace('/', '_').replace(':', '@')}.tar"
    return Image(found.reference, file, oci.write(file, found.reference, found.members, found.settings), found.role)


def pause(source: Path, version: str, program: Path) -> None:
    """Compiles upstream's pause, which is C so that it takes next to no memory in every pod.

    Raises LabError with the compiler's words.
    """
    done = subprocess.run(
        [*COMPILER, f"-DVERSION=v{version}", "-o", str(program), str(source)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = " | ".join(done.stderr.strip().splitlines()[-3:])
        raise LabError(f"{source.name} of Kubernetes: gcc failed: {said}; fix: apt-get install gcc libc6-dev, then run again")


def check_list(kubeadm: Path, release: Release) -> None:
    """Asks the kubeadm that was built which images it wants.

    Raises LabError where that are others: then a node would look for them in a registry.
    """
    words = [str(kubeadm), "config", "images", "list", "--kubernetes-version", release.kubernetes.version]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    wanted, ours = set(done.stdout.split()), set(needed(release))
    if done.returncode or wanted != ours:
        other = f"kubeadm: {sorted(wanted - ours) or done.stderr.strip()[-300:]}, pinned: {sorted(ours - wanted)}"
        fix = "pin what kubeadm wants in lab/kubernetes/releases.py and modules"
        raise LabError(f"Kubernetes {release.kubernetes.version}: kubeadm wants other images than are built: {other}; fix: {fix}")

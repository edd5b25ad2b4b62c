"""The releases of Kubernetes that can be built here, and what upstream's kubeadm of each names as its parts."""

from __future__ import annotations

from dataclasses import dataclass

from lab.errors import InputError, suggest
from lab.kubernetes import products, versions
from lab.kubernetes.products import Product

ADDONS = ("checks", "flannel", "local_path", "metallb", "metrics_server", "network_policies", "traefik")


@dataclass(frozen=True)
class Release:
    """One minor release: its products, and the tags of images that no go.mod names. kubeadm itself is asked whether they are right."""

    kubernetes: Product
    etcd: Product
    coredns: Product
    pause: str
    agnhost: str

    @property
    def version(self) -> versions.Version:
        """The pinned release of this line."""
        return versions.parse(self.kubernetes.version)


RELEASES = {
    "1.36": Release(
        kubernetes=products.kubernetes("1.36"),
        etcd=products.etcd("3.6"),
        coredns=products.coredns("1.14.2", "1.36"),
        pause="3.10.2",
        agnhost="2.63.0",
    ),
    "1.37": Release(
        kubernetes=products.kubernetes("1.37"),
        etcd=products.etcd("3.7"),
        coredns=products.coredns("1.14.6", "1.37"),
        pause="3.10.2",
        agnhost="2.66.1",
    ),
}
# On every node, whatever the release.
RUNTIME = (products.CONTAINERD, products.CRICTL, products.CNI_PLUGINS)
OF_ADDON = {
    "checks": (),
    "flannel": (products.FLANNEL,),
    "local_path": (products.LOCAL_PATH,),
    "metallb": (products.METALLB,),
    "metrics_server": (products.METRICS_SERVER,),
    "network_policies": (products.NETWORK_POLICIES,),
    "traefik": (products.TRAEFIK,),
}


def release(text: str) -> Release:
    """The pinned release of that very version.

    Raises InputError where another one is pinned, or none of its minor.
    """
    wanted = versions.parse(text)
    found = RELEASES.get(wanted.line)
    if found is None:
        raise InputError(f"Kubernetes {wanted}: no modules are pinned for {wanted.line}; fix: {_known()}")
    if found.version != wanted:
        raise InputError(
            f"Kubernetes {wanted}: what is pinned of {wanted.line} is {found.version}"
            f'; fix: version: "{str(found.version)[1:]}", or source: {{kind: packages}}'
        )
    return found


def built(text: str, addons: tuple[str, ...]) -> list[Product]:
    """All products of a release with these addons, what takes longest first.

    Raises InputError for an addon that does not exist, or a version as `release` does.
    """
    found = release(text)
    for addon in addons:
        if addon not in OF_ADDON:
            raise InputError(f"addon {addon}: does not exist; fix: {suggest(addon, OF_ADDON)}")
    return [found.kubernetes, found.etcd, found.coredns, *RUNTIME, *(product for addon in sorted(addons) for product in OF_ADDON[addon])]


def _known() -> str:
    return "version: one of " + ", ".join(str(found.version)[1:] for found in RELEASES.values()) + ", or source: {kind: packages}"

"""Versions of Kubernetes: what may work together and follow each other, and what is pinned."""

from __future__ import annotations

import re

import pytest

from lab.errors import InputError
from lab.kubernetes import images, pin, releases, versions
from lab.kubernetes.products import MODULES, Product, required
from lab.kubernetes.versions import Version

PRODUCTS = list(pin.products().values())


@pytest.mark.parametrize("text", ["1.36.4", "v1.36.4"])
def test_a_version_is_read_with_and_without_its_v(text: str) -> None:
    assert versions.parse(text) == Version(1, 36, 4)
    assert (str(versions.parse(text)), versions.parse(text).line) == ("v1.36.4", "1.36")


@pytest.mark.parametrize("text", ["", "1.36", "1.36.4-rc.0", "v1.36.4+k3s1", "latest", "1.36.4 "])
def test_what_is_no_release_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r'is no release of Kubernetes; fix: write it whole and in quotes, such as "1\.36\.4"'):
        versions.parse(text)


def test_versions_are_compared_by_number() -> None:
    assert versions.parse("1.9.10") < versions.parse("1.10.0") < versions.parse("1.10.9") < versions.parse("1.10.10")


@pytest.mark.parametrize(
    ("server", "kubelet", "problem"),
    [
        ("1.36.4", "1.36.4", ""),
        ("1.36.0", "1.36.4", ""),
        ("1.36.4", "1.35.9", ""),
        ("1.36.4", "1.33.0", ""),
        ("1.36.4", "1.32.9", "kubelet v1.32.9 is more than 3 minors older than the API server (v1.36.4); fix: upgrade the node first"),
        ("1.35.9", "1.36.0", "kubelet v1.36.0 is newer than the API server (v1.35.9); fix: upgrade the control planes first"),
    ],
)
def test_a_kubelet_may_be_three_minors_behind_and_never_ahead(server: str, kubelet: str, problem: str) -> None:
    assert versions.kubelet_problem(versions.parse(server), versions.parse(kubelet)) == problem


@pytest.mark.parametrize(
    ("now", "wanted", "problem"),
    [
        ("1.36.4", "1.36.4", ""),
        ("1.36.1", "1.36.4", ""),
        ("1.35.9", "1.36.4", ""),
        ("1.34.9", "1.36.4", "a minor is left out, which upstream does not support; fix: upgrade to 1.35 first"),
        ("1.36.4", "1.36.3", 'cannot go back to v1.36.3; fix: version: "1.36.4"'),
        ("1.36.4", "1.35.9", "cannot go back to v1.35.9"),
    ],
)
def test_a_control_plane_goes_one_minor_at_a_time_and_never_back(now: str, wanted: str, problem: str) -> None:
    found = versions.upgrade_problem(versions.parse(now), versions.parse(wanted))
    assert problem in found
    assert bool(problem) == bool(found)


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("1.20.2", r"no modules are pinned for 1\.20; fix: version: one of 1\.36\.\d+, 1\.37\.\d+, or source: \{kind: packages\}"),
        ("1.36.0", r'what is pinned of 1\.36 is v1\.36\.\d+; fix: version: "1\.36\.\d+"'),
    ],
)
def test_a_version_that_is_not_pinned_is_refused_with_the_one_that_is(version: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        releases.release(version)


def test_an_addon_that_does_not_exist_is_refused() -> None:
    version = str(releases.RELEASES["1.36"].version)
    with pytest.raises(InputError, match=r"addon metalb: does not exist; fix: did you mean metallb\?"):
        releases.built(version, ("metalb",))


def test_every_addon_has_products_and_images() -> None:
    assert set(releases.OF_ADDON) == set(images.ADDONS) == set(releases.ADDONS)


@pytest.mark.parametrize("line", releases.RELEASES)
def test_a_release_is_of_the_line_it_is_found_by(line: str) -> None:
    assert releases.RELEASES[line].version.line == line
    assert releases.release(str(releases.RELEASES[line].version)) is releases.RELEASES[line]


def test_the_images_are_those_of_kubeadm() -> None:
    """As `kubeadm config images list` of 1.36.4 printed it; a build asks the kubeadm it made."""
    assert set(images.needed(releases.release("1.36.4"))) == {
        "registry.k8s.io/kube-apiserver:v1.36.4",
        "registry.k8s.io/kube-controller-manager:v1.36.4",
        "registry.k8s.io/kube-scheduler:v1.36.4",
        "registry.k8s.io/kube-proxy:v1.36.4",
        "registry.k8s.io/coredns/coredns:v1.14.2",
        "registry.k8s.io/pause:3.10.2",
        "registry.k8s.io/etcd:3.6.8-0",
    }


def test_workers_do_not_get_the_images_of_the_control_plane() -> None:
    roles = images.needed(releases.release("1.36.4"))
    workers = {reference.rpartition("/")[2].partition(":")[0] for reference, role in roles.items() if role == "node"}
    assert workers == {"kube-proxy", "coredns", "pause"}


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.folder)
def test_every_product_is_pinned_with_the_checksums_of_its_modules(product: Product) -> None:
    go_mod, go_sum = (file.read_text() for file in product.files[:2])
    for module in pin.modules(product):
        version = required(go_mod, module)
        assert re.search(rf"^{re.escape(module)} {re.escape(version)} h1:\S+=$", go_sum, re.MULTILINE)
    assert not re.search(r"=> \.", go_mod), "a folder of this computer"


def test_no_pins_are_left_of_products_that_are_gone() -> None:
    assert {folder.name for folder in MODULES.iterdir()} == {product.folder for product in PRODUCTS}


def test_all_parts_of_kubernetes_are_of_its_own_version() -> None:
    for release in releases.RELEASES.values():
        go_mod, part = release.kubernetes.files[0].read_text(), f"v0{release.kubernetes.version[2:]}"
        found = dict(re.findall(r"^\tk8s\.io/(\S+) => k8s\.io/\S+ (\S+)$", go_mod, re.MULTILINE))
        assert {"api", "apimachinery", "client-go", "kubelet", "kubectl"} <= set(found)
        assert set(found.values()) == {part}


UPSTREAM = {
    "Go": "1.26.0",
    "Replace": [
        {"Old": {"Path": "k8s.io/api"}, "New": {"Path": "./staging/src/k8s.io/api"}},
        {"Old": {"Path": "example.org/a", "Version": "v1.0.0"}, "New": {"Path": "example.org/b", "Version": "v1.1.0"}},
        {"Old": {"Path": "example.org/tests"}, "New": {"Path": "../tests"}},
    ],
}


def test_replacements_of_upstream_are_taken_over_and_its_parts_become_modules() -> None:
    product = Product("tool", "k8s.io/kubernetes", {"tool": "k8s.io/kubernetes/cmd/tool"}, replaced={"example.org/c": "v2.0.0"})
    text = pin.go_mod(product, "v1.36.4", [UPSTREAM, {"Go": "1.9"}])
    assert "\ngo 1.26.0\n" in text
    assert "\ntool (\n\tk8s.io/kubernetes/cmd/tool\n)\n" in text
    assert required(text, "k8s.io/kubernetes") == "v1.36.4"
    assert re.findall(r"^\t(.+ => .+)$", text, re.MULTILINE) == [
        "example.org/a v1.0.0 => example.org/b v1.1.0",
        "example.org/c => example.org/c v2.0.0",
        "k8s.io/api => k8s.io/api v0.36.4",
    ]


def test_a_module_that_is_not_required_is_said_so() -> None:
    with pytest.raises(ValueError, match=r"go\.mod does not require example\.org/x"):
        required("module strata/tool\n\nrequire example.org/xy v1.0.0\n", "example.org/x")

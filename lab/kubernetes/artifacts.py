"""The set of files that a cluster is made of, from one of three sources. Roles get the same set, wherever it came from.

- `modules`: compiled here from pinned Go modules, the images assembled around the programs. Needs PyPI, a Go module proxy and Debian's
  mirror, once; afterwards nothing.
- `mirror`: a folder or URL that `./inv mirror` filled; copied into the cache, every file verified.
- `packages`: machines fetch packages and images themselves, from upstream; there is nothing to prepare but the versions.

Sets are cached by what they are made of, in CACHE, and outlive a lab. Old ones can be removed at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import InputError, LabError
from lab.kubernetes import compile as compiler
from lab.kubernetes import debian, images, manifest, mirror, oci, releases, versions
from lab.kubernetes.manifest import Artifacts, Image
from lab.kubernetes.products import METALLB, Product
from lab.platforms.podman import exclusive

CACHE = Path("/var/cache/strata/kubernetes")
LOCK = "kubernetes-artifacts"
# Code that decides what is in a set, besides the products' own recipes.
RECIPES = tuple(Path(str(module.__file__)) for module in (debian, images, oci))
ON_NODES = ("kubeadm", "kubectl", "kubelet", "etcdctl", "etcdutl", "containerd", "containerd-shim-runc-v2", "crictl", "ctr")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Source:
    """Where a set comes from: `kind` as in the module's first words, `place` the folder or URL of a mirror."""

    kind: str
    place: str = ""


def ensure(source: Source, version: str, addons: Sequence[str], say: Say = lambda _: None) -> Artifacts:
    """Makes the set where it is missing, verifies it and returns it; builders at the same time share one build.

    `version` is whole, such as 1.36.4; `addons` are of releases.ADDONS; `say` is told how far it is. Raises InputError for a version or
    addon that the source does not have, LabError where it cannot be built, fetched or verified.
    """
    if source.kind == "packages":
        return _packages(version)
    if (found := find(source, version, addons)) is not None:
        return found
    compiler.make_cache(CACHE)
    # A lock of its own: machines can be made during these minutes.
    with exclusive(LOCK):
        if (found := find(source, version, addons)) is None:
            folder = place(source, version, addons)
            if source.kind == "mirror":
                mirror.fetch(source.place, folder, say)
            else:
                build(version, tuple(addons), folder, say)
                if compiler.trim(CACHE):
                    say(f"{CACHE}/compiled: removed, for the disk has less than {compiler.ROOMY_GIB} GiB left")
            found = _load(folder, version, addons)
    return found


def find(source: Source, version: str, addons: Sequence[str]) -> Artifacts | None:
    """The set if it is here already, verified; nothing is built or fetched.

    Raises InputError as `ensure`, LabError where a file of it is damaged.
    """
    if source.kind == "packages":
        return _packages(version)
    folder = place(source, version, addons)
    return _load(folder, version, addons) if (folder / manifest.NAME).is_file() else None


def place(source: Source, version: str, addons: Sequence[str]) -> Path:
    """The folder of the set, whether it is there or not; anything that changes a byte of it changes the name.

    Raises InputError for a version or addon that is not pinned, and for a source that does not exist.
    """
    if source.kind == "mirror":
        digest = hashlib.sha256(json.dumps([source.place, mirror.fingerprint(source.place)]).encode()).hexdigest()
        return CACHE / "sets" / f"mirror-{digest[:12]}"
    if source.kind != "modules":
        raise InputError(f"source {source.kind}: does not exist; fix: kind: one of mirror, modules, packages")
    parts = {
        "products": {product.folder: compiler.key(product) for product in releases.built(version, tuple(addons))},
        "tags": [releases.release(version).pause, releases.release(version).agnhost],
        "recipes": [hashlib.sha256(file.read_bytes()).hexdigest() for file in RECIPES],
        "addons": sorted(addons),
        "on nodes": ON_NODES,
        "format": manifest.FORMAT,
    }
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return CACHE / "sets" / f"{versions.parse(version)}-{digest[:12]}"


def build(version: str, addons: tuple[str, ...], folder: Path, say: Say) -> None:
    """Compiles every product that is missing, then lays out the set beside its name and renames it."""
    release, products = releases.release(version), releases.built(version, addons)
    programs: dict[str, Path] = {}
    for product in products:
        compiled = compiler.ensure(product, CACHE, say)
        programs |= {name: compiled / name for name in product.programs}
    images.check_list(programs["kubeadm"], release)
    files = debian.ensure(CACHE, say)
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for part in ("binaries", "images", "manifests"):
        (partial / part).mkdir(parents=True)
    pause = partial / "pause"
    images.pause(module(release.kubernetes) / "build/pause/linux/pause.c", release.pause, pause)
    for name, file in programs.items():
        if name in ON_NODES or name.startswith("cni/"):
            place_file(file, partial / "binaries" / name)
    written: list[Image] = []
    for recipe in images.recipes(release, addons, images.Parts(programs, files, pause)):
        say(f"image {recipe.reference}")
        written.append(images.write(recipe, partial / "images"))
    pause.unlink()
    if "metallb" in addons:
        definitions = sorted((module(METALLB) / "config/crd/bases").glob("*.yaml"))
        text = "".join(file.read_text(encoding="utf-8") for file in definitions)
        (partial / "manifests" / "metallb-crds.yaml").write_text(text, encoding="utf-8")
    manifest.write(partial, str(release.version), written, {product.folder: product.version for product in products})
    shutil.rmtree(folder, ignore_errors=True)  # one without a manifest
    partial.replace(folder)


def module(product: Product) -> Path:
    """Where the source of a compiled product is, for what is taken from it as it is.

    Raises LabError where the cache of modules was removed while its programs were not.
    """
    path = CACHE / "modules" / f"{product.module}@{product.version}"
    if not path.is_dir():
        shutil.rmtree(compiler.place(product, CACHE), ignore_errors=True)
        raise LabError(f"{path}: is not there any more; fix: run again, which compiles {product.folder} anew")
    return path


def place_file(file: Path, target: Path) -> None:
    """The same file under another name; a copy where the disk cannot do that."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, target)
    except OSError:
        shutil.copy2(file, target)


def _packages(version: str) -> Artifacts:
    """What machines will fetch."""
    found = str(versions.parse(version))
    return Artifacts(found, None, {}, (), {}, {"kubernetes": found}, {})


def _load(folder: Path, version: str, addons: Sequence[str]) -> Artifacts:
    """The set of a folder, if it is the wanted one: a mirror may have been filled for another site.

    Raises InputError naming what is missing, LabError where a file is damaged.
    """
    found, wanted = manifest.load(folder), str(versions.parse(version))
    if found.kubernetes != wanted:
        raise InputError(f"{folder}: is of Kubernetes {found.kubernetes}, and {wanted} is wanted; fix: fill a mirror for {wanted}")
    roles = {image.role for image in found.images}
    missing = [addon for addon in sorted(addons) if f"addon:{addon}" not in roles]
    if missing:
        raise InputError(f"{folder}: has no images of {', '.join(missing)}; fix: fill the mirror again for this site")
    return found

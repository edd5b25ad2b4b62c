"""Pins a product to a version: writes its go.mod and go.sum anew. For those who maintain Strata; a build changes neither.

`python -m lab.kubernetes.pin FOLDER VERSION`, as in `kubernetes-1.36 v1.36.4`. Every checksum is asked of Go's checksum database; a
module that it does not know has to be named in GONOSUMDB, and is then trusted as the proxy serves it now.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lab.errors import InputError, LabError, suggest
from lab.kubernetes import artifacts, releases, toolchain
from lab.kubernetes.products import MODULES, Product


def products() -> dict[str, Product]:
    """Everything that is built for any release or addon, by folder."""
    found = [*releases.RUNTIME, *(product for addon in releases.OF_ADDON.values() for product in addon)]
    for release in releases.RELEASES.values():
        found += [release.kubernetes, release.etcd, release.coredns]
    return {product.folder: product for product in found}


def pin(product: Product, version: str) -> None:
    """Writes go.mod, then has Go resolve what the programs import, which writes go.sum.

    Raises LabError with Go's words.
    """
    goroot = toolchain.ensure(artifacts.CACHE, print)
    environment = toolchain.environment(goroot, artifacts.CACHE, may_change_modules=True)
    go = str(goroot / "bin" / "go")
    folder = MODULES / product.folder
    folder.mkdir(parents=True, exist_ok=True)
    upstream = []
    for module in modules(product):
        fetched = json.loads(call([go, "mod", "download", "-json", f"{module}@{version}"], environment))
        upstream.append(json.loads(call([go, "mod", "edit", "-json", fetched["GoMod"]], environment)))
    (folder / "go.sum").unlink(missing_ok=True)
    (folder / "go.mod").write_text(go_mod(product, version, upstream), encoding="utf-8")
    if product.beside:
        call([go, "mod", "edit", *newer(go, environment, folder, MODULES / product.beside)], environment, folder)
    call([go, "list", "-deps", *(["."] if is_ours(product) else ["tool"])], environment, folder)


def is_ours(product: Product) -> bool:
    """Whether the program's first file is of this project, and names parts of upstream's."""
    return list(product.programs.values()) == [f"strata/{product.folder}"]


def newer(go: str, environment: Mapping[str, str], folder: Path, other: Path) -> list[str]:
    """Words of `go mod edit` that require what another product has of each module that both use; Go takes the newer of the two."""
    words = [go, "list", "-m", "-f", "{{if not .Main}}{{.Path}}{{end}}", "all"]
    used = set(call(words, environment, folder).split())
    theirs = json.loads(call([go, "mod", "edit", "-json"], environment, other))["Require"]
    return [f"-require={entry['Path']}@{entry['Version']}" for entry in theirs if entry["Path"] in used]


def modules(product: Product) -> list[str]:
    """The modules that programs of a product are in: one, or one each as with etcd."""
    return sorted({product.module} | {package for package in product.programs.values() if package.endswith("/v3")})


def go_mod(product: Product, version: str, upstream: list[Any]) -> str:
    """What is required and replaced; `upstream` are go.mod files as `go mod edit -json` shows them."""
    language = max((found["Go"] for found in upstream), key=lambda text: [int(part) for part in text.split(".")])
    lines = [f"module strata/{product.folder}", "", f"go {language}", "", "require ("]
    lines += [f"\t{module} {version}" for module in modules(product)] + [")"]
    replaced = dict(sorted({**dict(of_upstream(upstream, version)), **of_product(product)}.items()))
    if replaced:
        lines += ["", "replace (", *(f"\t{old} => {new}" for old, new in replaced.items()), ")"]
    # Named as tools the programs belong to our module, so that Go writes down all they need and can read it fast.
    if not is_ours(product):
        lines += ["", "tool (", *(f"\t{package}" for package in sorted(product.programs.values())), ")"]
    return "\n".join(lines) + "\n"


def of_upstream(upstream: list[Any], version: str) -> Iterator[tuple[str, str]]:
    """Upstream's own replacements, which Go would heed in upstream's tree only. The parts of Kubernetes that its tree has in folders are
    modules of their own, with 0 for the major version."""
    for found in upstream:
        for entry in found.get("Replace") or []:
            old, new = entry["Old"], entry["New"]
            name = " ".join(filter(None, [old["Path"], old.get("Version")]))
            if not new["Path"].startswith("."):
                yield name, f"{new['Path']} {new['Version']}"
            elif "/staging/" in new["Path"]:
                yield name, f"{old['Path']} v0{version[2:]}"


def of_product(product: Product) -> Mapping[str, str]:
    """Replacements of ours."""
    return {name: f"{name} {version}" for name, version in product.replaced.items()}


def call(words: list[str], environment: Mapping[str, str], folder: Any = "/") -> str:
    """What a command prints.

    Raises LabError with its last words.
    """
    done = subprocess.run(words, cwd=folder, env=dict(environment), capture_output=True, text=True, check=False)
    if done.returncode:
        said = " | ".join((done.stderr or done.stdout).strip().splitlines()[-4:])
        raise LabError(f"{' '.join(words[1:4])}: {said}; fix: is there such a version, and does the module proxy (GOPROXY) have it?")
    return done.stdout


def main(words: list[str]) -> int:
    """Two words: the folder and the version."""
    try:
        known = products()
        if len(words) != 2 or words[0] not in known:
            raise InputError(f"pin {' '.join(words)}: fix: FOLDER VERSION, folder {suggest(words[0] if words else '', known)}")
        pin(known[words[0]], words[1])
    except LabError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

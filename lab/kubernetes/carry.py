"""`./inv mirror`: copies what a site's cluster is made of into a folder, for a site that reaches nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lab import sandbox
from lab import site as sites
from lab.errors import InputError
from lab.inventory.kubernetes import wanted_addons
from lab.kubernetes import artifacts, mirror


def carry(site_path: Path, target: Path, say: Callable[[str], None] = print) -> None:
    """Makes the site's set where it is missing, then fills the folder with it; the same command continues one that was cut off.

    Raises InputError for a site without a cluster, or whose machines fetch for themselves; LabError as `artifacts.ensure` and
    `mirror.fill`.
    """
    site = sites.load(site_path)
    if site.kubernetes is None:
        raise InputError(f"{site_path}: has no section kubernetes, so there is nothing to mirror; fix: name a site that has (--site)")
    ours = site.kubernetes
    found = artifacts.ensure(artifacts.Source(ours.source.kind, ours.source.from_ or ""), ours.version, wanted_addons(ours), say)
    written = mirror.fill(found, target.absolute(), say)
    sandbox.give_back(target)
    say(f"{target}: Kubernetes {found.kubernetes}, {len(found.binaries)} binaries, {len(found.images)} images, {written} MiB written")
    say(f"use it with kubernetes.source: {{kind: mirror, from: {target.absolute()}}}, or serve it and name its URL")

"""Versions of Kubernetes, and which of them may work together or follow each other (upstream's version skew policy)."""

from __future__ import annotations

import re
from typing import NamedTuple

from lab.errors import InputError

OLDER_KUBELETS = 3  # minors a kubelet may be behind the API server
PATTERN = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


class Version(NamedTuple):
    """A release; compares as releases follow each other."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        """As upstream's tags are written: v1.36.4."""
        return f"v{self.major}.{self.minor}.{self.patch}"

    @property
    def line(self) -> str:
        """The minor release it belongs to: 1.36."""
        return f"{self.major}.{self.minor}"


def parse(text: str) -> Version:
    """A version as a site file, a binary or a node's status writes it, with or without the v.

    Raises InputError for anything else, also for a pre-release.
    """
    found = PATTERN.fullmatch(text)
    if not found:
        raise InputError(f'version {text!r}: is no release of Kubernetes; fix: write it whole and in quotes, such as "1.36.4"')
    return Version(*map(int, found.groups()))


def kubelet_problem(server: Version, kubelet: Version) -> str:
    """Why a kubelet of that version cannot work with an API server of this one; nothing where it can."""
    if (kubelet.major, kubelet.minor) > (server.major, server.minor):
        return f"kubelet {kubelet} is newer than the API server ({server}); fix: upgrade the control planes first"
    if kubelet.major != server.major or server.minor - kubelet.minor > OLDER_KUBELETS:
        return f"kubelet {kubelet} is more than {OLDER_KUBELETS} minors older than the API server ({server}); fix: upgrade the node first"
    return ""


def upgrade_problem(now: Version, wanted: Version) -> str:
    """Why a control plane cannot go from one version to the other in one step; nothing where it can, also where they are the same."""
    if wanted < now:
        return f'the cluster runs {now} and cannot go back to {wanted}; fix: version: "{str(now)[1:]}", or restore an older backup of etcd'
    if wanted.major != now.major or wanted.minor - now.minor > 1:
        step = f"{now.major}.{now.minor + 1}"
        return f"from {now} to {wanted} a minor is left out, which upstream does not support; fix: upgrade to {step} first"
    return ""

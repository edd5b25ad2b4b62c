"""The machine image with the packages of a stage on top: installed once for all machines that want the same, and started nowhere.

A role still installs its packages on every machine, and finds them there. Where the list changes, another image is made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from lab.platforms import image
from lab.platforms.podman import exclusive, exists, podman, remove_container

# Nothing is started, for nothing is set up; nothing is enabled, for a machine shall not start at boot what no role asked for.
# A file of a machine's own that packages make is made again by the machine.
SCRIPT = """
enabled() { systemctl list-unit-files --no-legend --state=enabled | cut -d ' ' -f 1 | sort; }
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
enabled > /run/before
export DEBIAN_FRONTEND=noninteractive
apt-get -qq -o Acquire::Retries=5 update
apt-get -qq -o Acquire::Retries=5 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io install --no-install-recommends "$@" > /dev/null
enabled > /run/after
comm -13 /run/before /run/after | xargs --no-run-if-empty systemctl --quiet disable
rm -rf /usr/sbin/policy-rc.d /run/before /run/after /var/cache/apt/archives/*.deb /var/lib/apt/lists/*
: > /etc/machine-id
"""


def reference(suite: str, packages: Sequence[str]) -> str:
    """The image's name; without packages it is the machine image itself."""
    base = image.reference(suite)
    if not packages:
        return base
    digest = hashlib.sha256("\n".join([base, SCRIPT, *sorted(packages)]).encode()).hexdigest()[:12]
    return f"{image.REPOSITORY}:{suite}-with-{digest}"


def ensure(suite: str, packages: Sequence[str]) -> str:
    """Makes the image where it is missing and returns its name.

    Raises LabError with what refused.
    """
    base, name = image.ensure(suite), reference(suite, packages)
    # Not the lock that everyone who makes a machine holds for a moment: this takes minutes, and is waited for by those who want the same.
    if not exists("image", name):
        with exclusive("prepared-image"):
            if not exists("image", name):
                build(base, sorted(packages), name)
    return name


def build(base: str, packages: Sequence[str], name: str) -> None:
    """Installs in a container in which nothing else runs, and keeps what that made."""
    maker = podman("run", "--detach", "--privileged", "--no-hosts", base, "sleep", "infinity").strip()
    try:
        podman("exec", maker, "sh", "-ec", SCRIPT, "sh", *packages)
        podman("commit", "--quiet", maker, name)
    finally:
        remove_container(maker)

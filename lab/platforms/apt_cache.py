"""A package cache on the uplink, so that machines and runs fetch a package once: Debian's apt-cacher-ng in a container."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from lab.platforms import image
from lab.platforms.podman import exclusive, exists, podman, remove_container

REPOSITORY = "localhost/strata-apt-cache"
INSTALL = (
    "apt-get -qq update && DEBIAN_FRONTEND=noninteractive"
    " apt-get -qq -o Dpkg::Use-Pty=0 install --no-install-recommends apt-cacher-ng >/dev/null && apt-get clean"
)


def ensure(cache: Mapping[str, Any], network: str, suite: str) -> bool:
    """Runs the cache (`{container, address, port}`) on the uplink network; returns whether it had to be started."""
    container = cache["container"]
    if is_running(container):
        return False
    if exists("container", container):
        podman("start", container)
        return True
    reference = build(suite)
    serve = (
        "chown -R apt-cacher-ng: /var/cache/apt-cacher-ng && exec setpriv --reuid apt-cacher-ng --regid apt-cacher-ng --clear-groups"
        f" apt-cacher-ng -c /etc/apt-cacher-ng ForeGround=1 Port={cache['port']} BindAddress={cache['address']}"
        " CacheDir=/var/cache/apt-cacher-ng LogDir=/tmp SocketPath= ExThreshold=30"
    )
    # The volume outlives the lab on purpose; two caches may not share one.
    words = ["--privileged", "--no-hosts", "--restart=always", "--volume", f"{container}:/var/cache/apt-cacher-ng"]
    podman("run", "--detach", "--name", container, *words, "--network", f"{network}:ip={cache['address']}", reference, "sh", "-ec", serve)
    return True


def is_running(container: str) -> bool:
    """Read from podman."""
    return bool(podman("ps", "--quiet", "--filter", f"name=^{container}$", "--filter", "status=running").strip())


def remove(cache: Mapping[str, Any]) -> None:
    """The container goes, what it fetched stays."""
    remove_container(cache["container"])


def build(suite: str) -> str:
    """The machine image with the one package; found again by the hash of how it was made."""
    base = image.ensure(suite)
    name = f"{REPOSITORY}:{suite}-{hashlib.sha256((base + INSTALL).encode()).hexdigest()[:12]}"
    with exclusive():
        if not exists("image", name):
            maker = podman("run", "--detach", "--privileged", "--no-hosts", base, "sleep", "infinity").strip()
            try:
                podman("exec", maker, "sh", "-ec", INSTALL)
                podman("commit", "--quiet", maker, name)
            finally:
                remove_container(maker)
    return name

"""The machine image: Debian from its packages, made once per recipe and found again by the recipe's hash."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path

from lab.errors import LabError
from lab.platforms.podman import exclusive, exists, podman

FILES = Path(__file__).parent / "image"
REPOSITORY = "localhost/strata-machine"
PACKAGES = (
    "systemd,systemd-sysv,systemd-resolved,dbus,openssh-server,iproute2,iputils-ping,"
    "python3,python3-apt,ca-certificates,sudo,tzdata,nftables"
)
# What the files of FILES are in the image.
PLACES = {
    "05-uplink.network": "/etc/systemd/network",
    "90-lab.network": "/etc/systemd/network",
    "lab-machine.service": "/etc/systemd/system",
    "ssh-host-keys.service": "/etc/systemd/system",
}
SET_UP = (
    "systemctl enable -q lab-machine.service ssh-host-keys.service systemd-networkd.service systemd-resolved.service ssh.service"
    " && systemctl mask -q systemd-modules-load.service systemd-networkd-wait-online.service getty.target console-getty.service"
    # Packages bring udev, which does not run in a container, and whose sockets fail on the first event of the computer below. A guest with
    # a kernel of its own is made from the same image, and needs it.
    " && for unit in systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-udev-trigger.service;"
    " do mkdir -p /etc/systemd/system/$unit.d;"
    ' printf "[Unit]\\nConditionVirtualization=!container\\n" > /etc/systemd/system/$unit.d/lab.conf; done'
    " && rm -f /etc/ssh/ssh_host_* /etc/machine-id && : > /etc/machine-id"
    " && rm -f /etc/resolv.conf && : > /etc/resolv.conf && passwd -q -l root"
)


def recipe(suite: str) -> list[str]:
    """The words of mmdebstrap, without its target."""
    hooks = [f"--customize-hook=copy-in '{FILES / name}' {place}" for name, place in PLACES.items()]
    return [
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        f"--include={PACKAGES}",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        *hooks,
        f"--customize-hook=chroot \"$1\" sh -ec '{SET_UP}'",
        suite,
    ]


def reference(suite: str) -> str:
    """The image's name; another recipe or file gives another tag."""
    digest = hashlib.sha256(" ".join(recipe(suite)).replace(str(FILES), "").encode())
    for name in sorted(PLACES):
        digest.update((FILES / name).read_bytes())
    return f"{REPOSITORY}:{suite}-{digest.hexdigest()[:12]}"


def ensure(suite: str) -> str:
    """Makes the image where it is missing and returns its name; machines made side by side share one build.

    Raises LabError with the last lines of mmdebstrap.
    """
    name = reference(suite)
    with exclusive():
        if not exists("image", name):
            build(suite, name)
    return name


def build(suite: str, name: str) -> None:
    """Half a minute: mmdebstrap into a tar, which podman imports."""
    with tempfile.TemporaryDirectory(prefix="strata-image-") as folder:
        tar = Path(folder) / "machine.tar"
        done = subprocess.run([*recipe(suite), str(tar)], capture_output=True, text=True, check=False)
        if done.returncode:
            said = " | ".join(done.stderr.strip().splitlines()[-4:])
            fix = "check that Debian's mirror is reachable, then run again"
            raise LabError(f"machine image ({suite}): mmdebstrap failed: {said}; fix: {fix}")
        podman("import", "--quiet", str(tar), name)

"""Runs a command where systemd containers can boot, as root.

`python -m lab.sandbox -- CMD ...` is a plain exec for root on an ordinary machine. Without root it goes through sudo. Where the kernel
offers only v1 or hybrid cgroups, or limits cannot be raised (CI sandboxes), CMD runs in one pinned mount namespace whose
/sys/fs/cgroup is pure cgroup2, with a podman store of its own and default limits that this process may hand on. Nothing else on
the machine changes.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

from lab.errors import LabError

NAME = "strata"
RUN = Path("/run") / NAME
DATA = Path("/var/lib") / NAME
DEFAULT_NETWORK = "10.90.0.0/24"  # podman's own fallback, 10.88.0.0/16, may be in use by the machine's other store
CAP_SYS_RESOURCE = 24  # linux/capability.h


def cgroup_is_pure_v2(mountinfo: Path = Path("/proc/self/mountinfo")) -> bool:
    """Whether /sys/fs/cgroup is cgroup2; the topmost mount on it counts."""
    kind = ""
    for line in mountinfo.read_text().splitlines():
        left, _, right = line.partition(" - ")
        if left.split()[4] == "/sys/fs/cgroup":
            kind = right.split()[0]
    return kind == "cgroup2"


def may_raise_limits(status: Path = Path("/proc/self/status")) -> bool:
    """Whether this process has CAP_SYS_RESOURCE in its bounding set (effective would be empty before sudo)."""
    line = next(entry for entry in status.read_text().splitlines() if entry.startswith("CapBnd:"))
    return bool(int(line.split()[1], 16) >> CAP_SYS_RESOURCE & 1)


def is_restricted() -> bool:
    """Whether containers need the private namespace and store."""
    return inside() or not (cgroup_is_pure_v2() and may_raise_limits())


def inside() -> bool:
    """Whether this process runs with the private store already."""
    return os.environ.get("CONTAINERS_CONF") == str(RUN / "containers.conf")


def limits() -> str:
    """Podman asks for more than the hard limits, and lowers nproc to the kernel's pid_max by itself."""
    nofile = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    nproc = int(Path("/proc/sys/kernel/pid_max").read_text())
    if (hard := resource.getrlimit(resource.RLIMIT_NPROC)[1]) != resource.RLIM_INFINITY:
        nproc = min(nproc, hard)
    return f'default_ulimits = ["nofile={nofile}:{nofile}", "nproc={nproc}:{nproc}"]\npids_limit = 0\n'


def write(path: Path, text: str) -> None:
    """Replaces a file at once: a command started beside this one may be reading it."""
    if not path.exists() or path.read_text() != text:
        new = path.with_suffix(f".{os.getpid()}")
        new.write_text(text)
        new.replace(path)


def own_store() -> dict[str, str]:
    """The environment of a podman store of our own: podman cannot share one between mount namespaces."""
    networks = DATA / "networks"
    networks.mkdir(parents=True, exist_ok=True)
    default = {
        "name": "podman",
        "id": "0" * 63 + "1",
        "driver": "bridge",
        "network_interface": f"{NAME}-default",
        "created": "2025-01-01T00:00:00Z",
        "subnets": [{"subnet": DEFAULT_NETWORK, "gateway": DEFAULT_NETWORK.replace(".0/24", ".1")}],
        "ipv6_enabled": False,
        "internal": False,
        "dns_enabled": False,
        "ipam_options": {"driver": "host-local"},
    }
    write(networks / "podman.json", json.dumps(default))
    write(RUN / "storage.conf", f'[storage]\ndriver = "overlay"\ngraphroot = "{DATA}/storage"\nrunroot = "{RUN}/storage"\n')
    write(
        RUN / "containers.conf",
        f"[containers]\n{limits()}"
        f'[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nstatic_dir = "{DATA}/storage/libpod"\ntmp_dir = "{RUN}/libpod"\n'
        f'volume_path = "{DATA}/storage/volumes"\n'
        f'[network]\nnetwork_config_dir = "{networks}"\n',
    )
    return {"CONTAINERS_CONF": str(RUN / "containers.conf"), "CONTAINERS_STORAGE_CONF": str(RUN / "storage.conf")}


def pinned_mount_namespace() -> Path:
    """A mount namespace that outlives this process, with /sys/fs/cgroup as cgroup2 only."""
    pin = RUN / "namespace" / "mnt"
    if pin.exists() and pin.stat().st_dev != RUN.stat().st_dev:
        return pin
    pin.parent.mkdir(parents=True, exist_ok=True)
    pin.touch()
    # A namespace can be pinned on a private mount only.
    subprocess.run(["mount", "--bind", pin.parent, pin.parent], check=True)
    subprocess.run(["mount", "--make-private", pin.parent], check=True)
    script = "umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup"
    subprocess.run(["unshare", f"--mount={pin}", "--propagation=private", "sh", "-ec", script], check=True)
    return pin


def command(argv: list[str]) -> tuple[list[str], dict[str, str]]:
    """The command and environment that run `argv` where containers work.

    Raises LabError where root is needed and there is neither root nor sudo.
    """
    env = dict(os.environ)
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            raise LabError(
                "this machine: a rehearsal makes containers and bridges, which needs root; you are not root and there is no sudo"
                "; fix: run the command as root, or have an administrator install sudo and add you to its group"
            )
        return ["sudo", "env", f"PATH={env['PATH']}", *argv], env
    if not is_restricted() or inside():
        return argv, env
    RUN.mkdir(parents=True, exist_ok=True)
    with (RUN / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        env |= own_store()
        pin = pinned_mount_namespace()
    return ["nsenter", f"--mount={pin}", f"--wdns={Path.cwd()}", "--", *argv], env


def enter() -> None:
    """Starts this very process again in the sandbox; returns where it is in one already, or needs none."""
    argv, env = command(list(sys.orig_argv))
    if argv != sys.orig_argv:
        sys.stdout.flush()
        os.execvpe(argv[0], argv, env)  # noqa: S606 - replaces this process on purpose


def give_back(path: Path) -> None:
    """Hands files made under sudo to the user who called it, so that the next command can read them without."""
    if uid := os.environ.get("SUDO_UID"):
        for entry in [path, *path.rglob("*")]:
            os.chown(entry, int(uid), int(os.environ["SUDO_GID"]), follow_symlinks=False)


def main(args: list[str]) -> None:
    """Runs the words after `--`."""
    argv, env = command(args[1:] if args[:1] == ["--"] else args)
    os.execvpe(argv[0], argv, env)  # noqa: S606 - replaces this process on purpose


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except LabError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)

"""Says what this computer has and lacks for a rehearsal, each with the command that mends it. Looks, and changes nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lab import find, sandbox
from lab import site as sites
from lab.errors import LabError
from lab.platforms import limits
from lab.platforms.vm import hypervisor
from lab.site import Site

State = Literal["ok", "note", "missing"]
OLDEST_PYTHON = (3, 11)
OLDEST_DEBIAN = 12
GIB = 1024**3
IMAGES_GIB = 4  # image, package cache and the layers of containers, with room
VM_IMAGES_GIB = 4  # the kernel's source and objects while it is built, then an image of 1 GiB
KUBERNETES_GIB = 14  # the sources of a cluster's binaries, what is compiled of them, and the set that nodes get
TEMPLATE_GIB = 2  # the disk that VMs are made from, in the cache and as a simulated engine's template
# Programs that the verbs call, and the package each comes from. The wrapper installs the same.
PROGRAMS = {
    "podman": "podman",
    "crun": "crun",
    "netavark": "netavark",
    "aardvark-dns": "aardvark-dns",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "iptables": "iptables",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "git": "git",
    "unshare": "util-linux",
    "shellcheck": "shellcheck",
    "qemu-img": "qemu-utils",
    "gcc": "gcc",
}
# Not all of these are in a user's PATH; the last two are where podman looks for its helpers.
HELPERS = ("/usr/sbin", "/sbin", "/usr/lib/podman", "/usr/libexec/podman")


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `note` is worth knowing and stops nothing, `missing` stops a rehearsal."""

    what: str
    state: State
    detail: str
    fix: str = ""

    def __str__(self) -> str:
        """One line, and the fix on the next."""
        line = f"{self.state:<8} {self.what}: {self.detail}"
        return f"{line}\n{'':<8} fix: {self.fix}" if self.fix else line


def report(say: Callable[[str], None] = print) -> int:
    """Prints every finding; 0 when nothing is missing."""
    findings = list(examine())
    for finding in findings:
        say(str(finding))
    missing = [finding.what for finding in findings if finding.state == "missing"]
    say(f"\nmissing: {', '.join(missing)}" if missing else "\nthis computer can rehearse")
    return 1 if missing else 0


def examine() -> Iterable[Finding]:
    """Everything that is looked at."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *HELPERS])
    yield python(sys.version_info[:3])
    yield release(Path("/etc/os-release"))
    yield root(os.geteuid(), shutil.which("sudo", path=path))
    yield from programs(path)
    yield headers(Path("/usr/include/libxml2/libxml/xmlreader.h"), Path(sysconfig.get_path("include")) / "Python.h")
    yield cgroups(Path("/proc/self/mountinfo"), inside=sandbox.inside())
    yield raising_limits(Path("/proc/self/status"))
    yield watchers(limits.watchers())
    yield from kernel(Path("/sys/module"), Path("/lib/modules") / os.uname().release)
    yield bridged_frames(Path("/proc/sys/net/bridge/bridge-nf-call-iptables"), forward_policy(path))
    yield kvm(Path("/dev/kvm"))
    try:
        site = sites.load(find.site())
    except LabError as error:
        yield Finding("site", "missing", str(error).splitlines()[0], "./inv validate says everything that is wrong with it")
        return
    yield memory(Path("/proc/meminfo"), site)
    yield disk(shutil.disk_usage("/var/lib").free, wanted_disk_gib(site))
    if any(machine.platform.kind == "vm" for machine in site.machines.values()):
        yield tun(Path("/dev/net/tun"))
    if os.geteuid() == 0 and shutil.which("podman", path=path):
        yield leftovers(containers_of(site), (site.artifacts / "ledger.json").exists())


def python(version: tuple[int, ...]) -> Finding:
    """The interpreter that runs this."""
    text = ".".join(map(str, version))
    if version[:2] < OLDEST_PYTHON:
        return Finding("Python", "missing", f"{text}, and 3.11 is the oldest that will do", "apt-get install python3 (Debian 12 or newer)")
    return Finding("Python", "ok", text)


def release(file: Path) -> Finding:
    """The distribution; others than Debian may work, and nobody has tried."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    known = {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}
    name, version = known.get("PRETTY_NAME", "unknown"), known.get("VERSION_ID", "")
    if known.get("ID") != "debian":
        return Finding("system", "note", f"{name}, not Debian: packages are not installed for you, and nothing was tried there")
    if version.isdecimal() and int(version) < OLDEST_DEBIAN:
        return Finding("system", "missing", f"{name}, and Debian {OLDEST_DEBIAN} is the oldest that will do", "upgrade Debian")
    return Finding("system", "ok", name)


def root(user: int, sudo: str | None) -> Finding:
    """Who makes containers and bridges."""
    if user == 0:
        return Finding("root", "ok", "you are root")
    if sudo:
        return Finding("root", "ok", "not root; sudo is used where root is needed")
    fix = "run as root, or as root: apt-get install sudo && adduser YOU sudo"
    return Finding("root", "missing", "you are not root and there is no sudo", fix)


def programs(path: str) -> list[Finding]:
    """What the verbs call, one finding for all that is there and one for each that is not."""
    there = [name for name in PROGRAMS if shutil.which(name, path=path)]
    absent = [name for name in PROGRAMS if name not in there]
    found = [Finding("programs", "ok", ", ".join(there))] if there else []
    return found + [Finding(name, "missing", "not on this computer", f"apt-get install {PROGRAMS[name]}") for name in absent]


def headers(libxml2: Path, python_h: Path) -> Finding:
    """What the oVirt SDK is built with, for it comes as source only. Its compiler is among the programs."""
    absent = [package for file, package in ((libxml2, "libxml2-dev"), (python_h, "python3-dev")) if not file.is_file()]
    if absent:
        detail = f"those of {' and '.join(absent)} are not on this computer, and the oVirt SDK is built from source"
        return Finding("headers", "missing", detail, f"apt-get install {' '.join(['gcc', *absent])}")
    return Finding("headers", "ok", "libxml2 and Python, for the build of the oVirt SDK")


def cgroups(mountinfo: Path, *, inside: bool = False) -> Finding:
    """Whether systemd containers boot here as they are."""
    if inside or not sandbox.cgroup_is_pure_v2(mountinfo):
        return Finding("cgroups", "note", "v1 or hybrid: a private mount namespace and a podman store of our own are used")
    return Finding("cgroups", "ok", "version 2")


def raising_limits(status: Path) -> Finding:
    """Podman asks for higher limits than some sandboxes allow."""
    if sandbox.may_raise_limits(status):
        return Finding("limits", "ok", "may be raised (CAP_SYS_RESOURCE)")
    return Finding("limits", "note", "cannot be raised (no CAP_SYS_RESOURCE): a podman store of our own with smaller limits is used")


def watchers(allowed: int) -> Finding:
    """Every systemd watches files, and all containers together may watch so many."""
    if allowed < limits.ENOUGH_WATCHERS:
        detail = f"{allowed} at a time, which some twenty machines use up; `./inv up` raises it until the next boot where it may"
        fix = f"sysctl -w fs.inotify.max_user_instances={limits.ENOUGH_WATCHERS}"
        return Finding("watched files", "note", detail, fix)
    return Finding("watched files", "ok", f"{allowed} at a time")


def kernel(loaded: Path, modules: Path) -> list[Finding]:
    """What a rehearsal asks of the kernel. A built-in feature shows among the loaded ones, or in the list of built-in modules."""
    listed = "".join(_text(modules / name) for name in ("modules.builtin", "modules.dep"))

    def has(name: str) -> bool:
        return (loaded / name).is_dir() or f"/{name}.ko" in listed

    findings = []
    for name in ("bridge", "veth"):
        if has(name):
            findings.append(Finding(f"kernel {name}", "ok", "there"))
        elif listed:
            findings.append(
                Finding(f"kernel {name}", "missing", "this kernel has no such module", "apt-get install linux-image-amd64, then reboot")
            )
        else:  # a kernel without a list of modules may have it built in without saying so
            findings.append(Finding(f"kernel {name}", "note", "this kernel does not say; `./inv up` will tell"))
    if has("8021q"):
        findings.append(Finding("kernel 8021q", "ok", "there"))
    else:
        findings.append(Finding("kernel 8021q", "note", "absent: in a rehearsal one bridge per subnet stands for tagged VLANs"))
    return findings


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def forward_policy(path: str) -> str:
    """What this computer does with packets that are not its own: ACCEPT, DROP, or nothing where we may not look."""
    program = shutil.which("iptables", path=path)
    if not program:
        return ""
    done = subprocess.run([program, "--wait", "-S", "FORWARD"], capture_output=True, text=True, check=False)
    first = done.stdout.splitlines()[:1]
    return first[0].split()[-1] if done.returncode == 0 and first else ""


def bridged_frames(switch: Path, policy: str) -> Finding:
    """Frames on a bridge pass the computer's own firewall where this switch is on; with DROP the lab's machines cannot talk."""
    is_on = _text(switch).strip() == "1"
    if is_on and policy == "DROP":
        detail = "pass this computer's firewall (bridge-nf-call-iptables), which drops what it forwards: machines could not talk"
        return Finding("bridged frames", "missing", detail, "iptables -I FORWARD -m physdev --physdev-is-bridged -j ACCEPT")
    if is_on and not policy:
        return Finding("bridged frames", "note", "pass this computer's firewall; its policy shows to root only", "sudo ./inv doctor")
    return Finding("bridged frames", "ok", "pass this computer's firewall, which lets them through" if is_on else "pass untouched")


def kvm(device: Path) -> Finding:
    """Told, not required: virtual machines run without it, and do not use it yet."""
    return Finding("KVM", "ok" if device.exists() else "note", f"{device} is there" if device.exists() else "absent; not needed")


def memory(meminfo: Path, site: Site) -> Finding:
    """What is free against what the site's machines sum up to."""
    line = next((line for line in _text(meminfo).splitlines() if line.startswith("MemAvailable:")), "MemAvailable: 0 kB")
    free = int(line.split()[1]) * 1024 / GIB
    # What is on oVirt is taken from its hypervisors, which count here where they are simulated.
    asked = sum(machine.memory_gib for machine in site.machines.values() if machine.platform.kind not in ("metal", "ovirt"))
    detail = f"{free:.1f} GiB free, the machines of {site.name} may use {asked:g} GiB"
    if free < asked:
        return Finding("memory", "missing", detail, "end other programs, or lower memory_gib in site.yml")
    return Finding("memory", "ok", detail)


def wanted_disk_gib(site: Site) -> float:
    """Containers share one image, so that their disk_gib are limits and not needs; the files of vms fill up to what the site gives them."""
    vms = [machine for machine in site.machines.values() if machine.platform.kind == "vm"]
    disks = sum(machine.disk_gib + sum(disk.size_gib for disk in machine.disks) for machine in vms)
    simulated = site.ovirt is not None and site.ovirt.engine.kind == "simulator"
    hosted = sum(machine.disk_gib for machine in site.machines.values() if machine.platform.kind == "ovirt") if simulated else 0
    compiled = KUBERNETES_GIB if site.kubernetes is not None and site.kubernetes.source.kind == "modules" else 0
    return IMAGES_GIB + (VM_IMAGES_GIB + disks if vms else 0) + (TEMPLATE_GIB + hosted if site.ovirt else 0) + compiled


def tun(device: Path) -> Finding:
    """How a virtual machine is plugged into a lab network."""
    if not device.exists():
        return Finding("virtual machines", "missing", f"{device} is not there, so they cannot be plugged in", "modprobe tun")
    return Finding("virtual machines", "ok", f"run as {hypervisor()}; their memory is taken as they use it, from that of this computer")


def disk(free_bytes: int, wanted_gib: float) -> Finding:
    """Images, cache, layers, and the disks of virtual machines."""
    detail = f"{free_bytes / GIB:.1f} GiB free in /var/lib, images and machines take up to {wanted_gib:g} GiB"
    if free_bytes < wanted_gib * GIB:
        return Finding("disk", "missing", detail, "podman system prune (removes unused images), or make room")
    return Finding("disk", "ok", detail)


def containers_of(site: Site) -> list[str]:
    """The site's containers in podman's store, also in the one of the sandbox if there is one yet."""
    if sandbox.is_restricted() and not (sandbox.RUN / "namespace" / "mnt").exists():
        return []
    try:
        argv, env = sandbox.command(["podman", "ps", "--all", "--format", "json", "--filter", f"name=^{site.name}-"])
    except (LabError, OSError, subprocess.CalledProcessError):
        return []
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout.strip():
        return []
    return sorted(container["Names"][0] for container in json.loads(done.stdout))


def leftovers(containers: list[str], is_recorded: bool) -> Finding:
    """Containers of the rehearsal without a record of who built them come from a run that was cut off."""
    if not containers:
        return Finding("containers", "ok", "no machine of the rehearsal runs")
    if is_recorded:
        return Finding("containers", "ok", f"the rehearsal is up or half built: {', '.join(containers)}")
    detail = f"left by an earlier run: {', '.join(containers)}"
    return Finding("containers", "note", detail, "./inv up goes on with them, ./inv down removes them")

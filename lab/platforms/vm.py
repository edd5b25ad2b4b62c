"""Machines with a kernel of their own, for what a container cannot have: an NFS server, volumes, a firewall that is really the machine's.

A spec is that of a container (see container.py) with `{memory_gib, disk_gib, disks: [{name, size_gib}]}` besides. Outside, such a machine
is a container too: named, plugged in and removed like any other. Inside runs User Mode Linux, which is an ordinary process and needs
no /dev/kvm: guest memory, disks, bridges and taps are the container's, so that all of it goes with the container. Its console is
`podman logs CONTAINER`. KVM is not built yet: `hypervisor` is where that choice will be made, by really booting.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.platforms.container import Container, host_key, plug_in, read_key, run
from lab.platforms.container import hardware as container_hardware
from lab.platforms.uml import image
from lab.wait import wait_for

BOOT_SECONDS = 300  # 7 to 20 s; a loaded CI machine with four of them took 90
LONGEST_COMMAND = 1976  # arch/um/include/asm/setup.h: 2048 with what the kernel itself and run-guest.sh add
FOLDER = "/var/lib/lab-vm"  # disks; in the container's own layer, so that they go with it
MEMORY = "/run/lab-vm"  # guest memory and what the guest tells; gone whenever the container stops
MIB_PER_GIB = 1024
TAP_HEADERS = 64  # MiB that User Mode Linux wants of the tmpfs besides the guest's memory


def hypervisor() -> str:
    """What runs the guests here. Always User Mode Linux: KVM is not built yet."""
    return "User Mode Linux"


class Vm(Container):
    """Machines of one podman store that boot a kernel."""

    def backend(self) -> str:
        """The hypervisor in use."""
        return hypervisor()

    def hardware(self, spec: Mapping[str, Any]) -> str:
        """Also memory and disks are what a running machine cannot change."""
        fixed = [container_hardware(spec), spec["memory_gib"], spec["disk_gib"], spec["disks"]]
        return hashlib.sha256(repr(fixed).encode()).hexdigest()[:12]

    def create(self, spec: Mapping[str, Any], wanted: str) -> None:
        """Networks, then the container that boots the guest with the controller's key."""
        key = read_key(Path(spec["public_key_file"])) if spec.get("public_key_file") else b""
        words = kernel_words(spec, key)
        reference = image.ensure(spec["image_suite"])
        plugs = plug_in(spec, with_macs=False)
        run(spec, wanted, *surroundings(spec), *plugs, reference, "/usr/lib/lab-vm/run-guest", *words)

    def wait_until_booted(self, container: str) -> None:
        """Until the guest, whose SSH server is up, has told its host key."""
        wait_for(
            f"virtual machine in container {container} has booted (its console: podman logs {container})",
            lambda: self.host_key(container),
            bool,
            BOOT_SECONDS,
        )

    def further_legs(self, spec: Mapping[str, Any]) -> dict[str, str]:
        """A guest's files are its own; with several legs it goes out by the one whose lease came first."""
        return {}

    def host_key(self, container: str) -> str:
        """As the guest told its platform."""
        return host_key(container, f"{MEMORY}/told/ssh_host_ed25519_key.pub")


def mib(gib: float) -> int:
    """GiB, as the site says it, in MiB."""
    return round(gib * MIB_PER_GIB)


def interfaces(spec: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """(name, MAC, MTU) of the guest's interfaces, in the order of its plugs; the uplink's MAC is its address, which only it has there."""
    found = [(cable["interface"], cable["mac"], cable["bridge_mtu"]) for cable in spec["cables"]]
    if uplink := spec.get("uplink"):
        octets = [int(part) for part in uplink["address"].split(".")]
        found.append((uplink["interface"], "52:54:" + ":".join(f"{octet:02x}" for octet in octets), 1500))
    return found


def surroundings(spec: Mapping[str, Any]) -> list[str]:
    """Podman's words for the container around the guest."""
    disks = [f"root:{mib(spec['disk_gib'])}"] + [f"{disk['name']}:{mib(disk['size_gib'])}" for disk in spec["disks"]]
    variables = {
        "TMPDIR": MEMORY,
        "VM_CABLES": " ".join(name for name, _, _ in interfaces(spec)),
        "VM_DISKS": " ".join(disks),
        "VM_CPU": str(int(hashlib.sha256(spec["container"].encode()).hexdigest()[:4], 16)),
    }
    words = [word for key, value in variables.items() for word in ("--env", f"{key}={value}")]
    # Guest memory is executable, as memory is. The console is podman's log, which is cut when it grows.
    size = mib(spec["memory_gib"]) + TAP_HEADERS
    words += ["--tmpfs", f"{MEMORY}:rw,exec,mode=0700,size={size}m"]
    return [*words, "--log-driver", "k8s-file", "--log-opt", "max-size=2mb"]


def kernel_words(spec: Mapping[str, Any], public_key: bytes) -> list[str]:
    """The guest kernel's command line: memory, disks, interfaces, and who may log in (systemd takes that from credentials).

    Raises LabError where it is longer than the kernel reads.
    """
    # A reboot ends the kernel, so that the container starts it again: by itself it would keep its taps open and not get them back.
    words = [f"mem={mib(spec['memory_gib'])}M", "root=/dev/ubda", "rw", "seccomp=on", "con=null", "con0=null,fd:1", "noreboot", "panic=5"]
    # Drivers that are built in would make an interface each, unasked, and networkd would wait for an address on it.
    words += ["dummy.numdummies=0", "bonding.max_bonds=0"]
    words += [f"ubd{number}={FOLDER}/{name}.img" for number, name in enumerate(["root", *(disk["name"] for disk in spec["disks"])])]
    for number, (name, mac, mtu) in enumerate(interfaces(spec)):
        words.append(f"vec{number}:transport=tap,ifname=tap{number},depth=128,gro=1,mac={mac},mtu={mtu}")
        words.append(f"ifname={name}:{mac}")
    if uplink := spec.get("uplink"):
        prefix = uplink["cidr"].partition("/")[2]
        words.append(f"ip={uplink['address']}::{uplink['gateway']}:{prefix}::{uplink['interface']}:off:{uplink['gateway']}")
    words += [f"hostfs={MEMORY}/told", f"systemd.set_credential=system.hostname:{spec['hostname']}"]
    if public_key:
        text = base64.b64encode(public_key).decode()
        words.append(f"systemd.set_credential_binary=ssh.authorized_keys.root:{text}")
    if len(" ".join(words)) > LONGEST_COMMAND:
        raise LabError(
            f"machine {spec['container']}: its {len(spec['cables'])} cables and the key of the controller make a kernel command line longer"
            f" than {LONGEST_COMMAND} characters; fix: fewer interfaces, or an ed25519 key (access.private_key)"
        )
    return words

"""Tiny guests of plain QEMU in a container, without KVM. They reach nothing but what stands in for a metadata service."""

import json
import socket
import subprocess
from pathlib import Path

import testinfra

from lab.images import tiny
from lab.wait import wait_for

BOOT_SECONDS = 600  # 15 s of an idle processor; everything is emulated, and CI does other things beside it
ADDRESS = "169.254.0.15"  # what QEMU's own DHCP gives
SSH = "-o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=120"
UUID = "11111111-aaaa-4bbb-8ccc-222222222222"
# All other addresses are out of reach: without that, a guest would ask whatever answers 169.254.169.254 on this computer's network.
NETWORK = "user,id=net,net=169.254.0.0/16,host=169.254.0.2,dhcpstart=169.254.0.15,restrict=on"


class Guest:
    """A machine by its name, in a container with the image as /srv/image.qcow2."""

    def __init__(self, bench, container, name, scratch, ports):
        """`scratch` is a folder of this computer; `ports` of the container lead to the guest's SSH and page."""
        self.bench, self.container, self.name = bench, container, name
        self.scratch, self.folder = Path(scratch), f"/srv/{name}"
        self.ssh_port, self.page_port = ports
        self.key = self.scratch / "key"

    def make(self, *, told_by):
        """Its disk, a layer over the image; what it is told lies in a folder for the `service`, or on a `drive`."""
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)], check=True)
        public = self.key.with_suffix(".pub").read_text()
        latest = self.scratch / "drive" / "openstack" / "latest"
        latest.mkdir(parents=True)
        told = {"uuid": UUID, "hostname": f"{self.name}.test.internal", "name": self.name}
        told |= {"public_keys": {"mine": public}, "keys": [{"name": "mine", "type": "ssh", "data": public}]}
        (latest / "meta_data.json").write_text(json.dumps(told))
        (latest / "user_data").write_text(f"#!/bin/sh\necho {self.name} > /srv/told\n")
        self.bench.check_output("mkdir -p %s", self.folder)
        subprocess.run(["podman", "cp", str(self.scratch / "drive"), f"{self.container}:{self.folder}/drive"], check=True)
        if told_by == "drive":
            self.bench.check_output("cd %s && genisoimage -quiet -J -R -V config-2 -o drive.iso drive && rm -r drive", self.folder)
        self.bench.check_output("cd %s && qemu-img create -q -f qcow2 -b /srv/image.qcow2 -F qcow2 disk.qcow2", self.folder)
        self.bench.check_output("cd %s && truncate --size=64M blk.raw scsi.raw", self.folder)

    def start(self, *, told_by):
        """Switches it on, as a service of the container: its end is the machine's end."""
        forward = f"hostfwd=tcp::{self.ssh_port}-{ADDRESS}:22,hostfwd=tcp::{self.page_port}-{ADDRESS}:80"
        service = f"guestfwd=tcp:169.254.169.254:80-cmd:python3 /srv/metadata.py {self.folder}/drive/openstack/latest"
        words = ["qemu-system-x86_64", "-machine", "pc", "-accel", "tcg", "-cpu", "max", "-m", str(tiny.MEMORY_MIB), "-nodefaults"]
        words += ["-display", "none", "-serial", "file:console.log", "-qmp", "unix:qmp,server=on,wait=off", "-device", "virtio-scsi-pci"]
        words += ["-drive", "if=virtio,format=qcow2,file=disk.qcow2,cache=unsafe", "-device", "virtio-net-pci,netdev=net"]
        words += ["-netdev", ",".join([NETWORK, forward, *([service] if told_by == "service" else [])])]
        words += ["-blockdev", "driver=file,node-name=blk,filename=blk.raw", "-blockdev", "driver=file,node-name=scsi,filename=scsi.raw"]
        words += ["-cdrom", "drive.iso"] if told_by == "drive" else []
        unit = ["systemd-run", "--quiet", f"--unit={self.name}", f"--working-directory={self.folder}", "--collect"]
        self.bench.check_output(" ".join(["%s"] * len(unit + words)), *unit, *words)

    def wait_until_ready(self):
        """Until it says so on its serial line; returns that line."""
        found = wait_for(
            f"{self.name} is ready",
            lambda: (self.is_on(), self.bench.run("cat %s", f"{self.folder}/console.log").stdout),
            lambda seen: tiny.READY in seen[1],
            BOOT_SECONDS,
            failed=lambda seen: not seen[0],
            pause_seconds=2,
            where=f"{self.container}:{self.folder}/console.log",
        )
        return next(line for line in reversed(found[1].splitlines()) if tiny.READY in line)

    def wait_until_off(self):
        """Until QEMU has ended."""
        wait_for(f"{self.name} is off", self.is_on, lambda seen: not seen, BOOT_SECONDS, pause_seconds=1, where=self.container)

    def is_on(self):
        """Whether there is such a machine now."""
        return self.bench.run("systemctl is-active %s", self.name).stdout.strip() in ("active", "activating", "deactivating")

    def ssh(self, address):
        """Its shell, by the key that it was told."""
        options = f"-p {self.ssh_port} {SSH}"
        return testinfra.get_host(f"ssh://root@{address}", ssh_identity_file=str(self.key), ssh_extra_args=options)

    def order(self, command, **arguments):
        """Tells QEMU something, as Nova does by libvirt; raises ValueError with its own error."""
        number = subprocess.check_output(["podman", "inspect", "--format", "{{.State.Pid}}", self.container], text=True).strip()
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(f"/proc/{number}/root{self.folder}/qmp")
            lines = line.makefile("r")
            lines.readline()  # its greeting
            for words in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
                line.sendall(json.dumps(words).encode())
                answer = next(found for found in map(json.loads, lines) if "event" not in found)
                if "error" in answer:
                    raise ValueError(f"{command}: {answer['error']['desc']}")

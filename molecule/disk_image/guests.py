"""Virtual machines of plain QEMU in a container, without KVM: started with the drive an engine would write, asked through their agent."""

import base64
import json
import socket
import subprocess
from pathlib import Path

from lab.simulators.ovirt import cloud_init
from lab.wait import wait_for

BOOT_SECONDS = 900  # 40 s of an idle processor; everything is emulated, and CI does other things beside it
ANSWER_SECONDS = 20
COMMAND_SECONDS = 300
DISK = "5G"  # larger than the image, so that there is something to grow into
ADDRESS = "10.0.2.77"  # in QEMU's own network, whose DHCP gives another:
LEASED = "10.0.2.15"
FLASH = "/usr/share/OVMF/OVMF_"
FIRMWARE = {
    "bios": ["-machine", "q35"],
    "secure-boot": [
        *("-machine", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on"),
        *("-drive", f"if=pflash,format=raw,readonly=on,file={FLASH}CODE_4M.secboot.fd", "-drive", "if=pflash,format=raw,file=vars.fd"),
    ],
}


class Guest:
    """A machine by its firmware, in a container with the image as /srv/image.qcow2."""

    def __init__(self, bench, container, firmware, scratch, port):
        """`scratch` is a folder of this computer; `port` of the container leads to the guest's SSH."""
        self.bench, self.container, self.firmware, self.port = bench, container, firmware, port
        self.folder, self.scratch = f"/srv/{firmware}", Path(scratch)
        self.name = f"{firmware}.image-test.internal"
        self.key = self.scratch / "key"

    def make(self):
        """Its disk, a layer over the image, and its drive."""
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)], check=True)
        card = {"name": "eth0", "on_boot": True, "boot_protocol": "static"}
        card["ip"] = {"address": ADDRESS, "netmask": "255.255.255.0", "gateway": "10.0.2.2"}
        wanted = {"host_name": self.name, "user_name": "root", "authorized_ssh_keys": self.key.with_suffix(".pub").read_text()}
        drive = cloud_init.write(self.scratch / "drive", wanted | {"nic_configurations": [card], "dns_servers": "10.0.2.3"})
        self.run("mkdir -p %s", self.folder)
        subprocess.run(["podman", "cp", str(drive), f"{self.container}:{self.folder}/drive"], check=True)
        self.run("cd %s && genisoimage -quiet -J -R -V config-2 -o drive.iso drive", self.folder)
        self.run("cd %s && qemu-img create -q -f qcow2 -b /srv/image.qcow2 -F qcow2 disk.qcow2 %s", self.folder, DISK)
        self.run("cp %s %s", f"{FLASH}VARS_4M.ms.fd", f"{self.folder}/vars.fd")

    def start(self, *, with_drive):
        """Switches it on, as a service of the container: its end is the machine's end."""
        words = ["qemu-system-x86_64", *FIRMWARE[self.firmware], "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "768", "-nodefaults"]
        words += ["-display", "none", "-serial", "file:console.log", "-drive", "if=virtio,format=qcow2,file=disk.qcow2,cache=unsafe"]
        words += ["-netdev", f"user,id=net,hostfwd=tcp::{self.port}-{ADDRESS}:22", "-device", "virtio-net-pci,netdev=net"]
        words += ["-chardev", "socket,id=agent,path=agent,server=on,wait=off", "-device", "virtio-serial-pci"]
        words += ["-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0", "-device", "virtio-rng-pci"]
        words += ["-cdrom", "drive.iso"] if with_drive else []
        unit = ["systemd-run", "--quiet", f"--unit={self.firmware}", f"--working-directory={self.folder}", "--collect"]
        self.run(" ".join(["%s"] * len(unit + words)), *unit, *words)

    def switch_off(self):
        """Asks it to power off, and waits until it has."""
        self.tell("guest-shutdown")
        wait_for(f"{self.name} is off", lambda: self.is_on(), lambda seen: not seen, BOOT_SECONDS, where=self.container)

    def is_on(self):
        """Whether there is such a machine now."""
        return self.bench.run("systemctl is-active %s", self.firmware).stdout.strip() in ("active", "activating", "deactivating")

    def wait_until_set_up(self):
        """Until cloud-init says that it is done; whatever it was before, its agent has to answer first."""

        def look():
            try:
                return self.shell("cloud-init status || true").strip()
            except (OSError, ValueError) as error:
                return repr(error) if self.is_on() else f"off: {self.bench.run('tail -n 3 %s', f'{self.folder}/console.log').stdout}"

        wanted = ("status: done", "status: disabled")
        return wait_for(
            f"{self.name} is set up",
            look,
            lambda seen: seen in wanted,
            BOOT_SECONDS,
            failed=lambda seen: seen.startswith(("off", "status: error")),
            pause_seconds=3,
            where=f"{self.container}:{self.folder}/console.log",
        )

    def tell(self, command, **arguments):
        """Sends a command that has no answer."""
        with self._agent() as line:
            line.sendall(request(command, arguments))

    def ask(self, command, **arguments):
        """What the guest agent answers; raises OSError where nobody does, ValueError with its own error."""
        with self._agent() as line:
            line.sendall(request(command, arguments))
            answer = json.loads(read_line(line))
        if "error" in answer:
            raise ValueError(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    def shell(self, script):
        """What a script of the guest prints; raises ValueError where it fails."""
        number = self.ask("guest-exec", path="/bin/sh", arg=["-c", script], **{"capture-output": True})["pid"]
        done = wait_for(
            "a command", lambda: self.ask("guest-exec-status", pid=number), lambda seen: seen["exited"], COMMAND_SECONDS, where=self.name
        )
        said = base64.b64decode(done.get("out-data", "")).decode()
        if done["exitcode"]:
            raise ValueError(f"{script}: {done['exitcode']}: {said} {base64.b64decode(done.get('err-data', '')).decode()}")
        return said

    def run(self, command, *words):
        """In the container, where it has to succeed."""
        return self.bench.check_output(command, *words)

    def _agent(self):
        """A line to the agent on which nothing old is left to read."""
        number = subprocess.check_output(["podman", "inspect", "--format", "{{.State.Pid}}", self.container], text=True).strip()
        line = socket.socket(socket.AF_UNIX)
        line.settimeout(ANSWER_SECONDS)
        try:
            line.connect(f"/proc/{number}/root{self.folder}/agent")
            token = id(line)
            line.sendall(b"\xff" + request("guest-sync-delimited", {"id": token}))
            while f'"return": {token}'.encode() not in read_line(line):
                pass
        except BaseException:
            line.close()
            raise
        return line


def request(command, arguments):
    """A command as the agent reads it."""
    return json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n"


def read_line(line):
    """The next answer, without the byte that says a new one begins; raises OSError at the end of the line."""
    read = b""
    while not read.endswith(b"\n"):
        if not (more := line.recv(1)):
            raise OSError("the agent's line ended")
        read += more
    return read.lstrip(b"\xff")

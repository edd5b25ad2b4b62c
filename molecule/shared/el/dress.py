"""Makes a Debian container answer like an EL machine, once: `dress.py < ANSWERS`, as JSON. What it answers are files and stand-ins."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

EL = Path("/srv/el")
DRESSED = EL / "dressed"
GOOD = {
    "release": {
        "ID": "centos",
        "ID_LIKE": "rhel fedora",
        "NAME": "CentOS Stream",
        "VERSION_ID": "10",
        "PRETTY_NAME": "CentOS Stream 10 (Coughlan)",
    },
    "redhat_release": "CentOS Stream release 10 (Coughlan)",
    "cpu": {"vendor_id": "GenuineIntel", "model name": "A processor of the fixture", "flags": "vmx nx cx16 sse4_1 sse4_2 popcnt aes"},
    "selinux": "Enforcing",
    "profiles": "uplink:/etc/NetworkManager/system-connections/uplink.nmconnection",
    "clock": "NTPSynchronized=yes",
    "hosts": [],  # lines of /etc/hosts
    "exports": {},  # path -> owner and mode, of folders that stand for a server's exports
    "masked": [],  # services
    "listening": [],  # ports
    "environment": [],  # lines of a login shell
}


def files(answers: dict) -> dict[str, str]:
    """What stands in a file instead of in a kernel or a service."""
    cpu = "".join(f"{key}\t: {value}\n" for key, value in answers["cpu"].items())
    return {
        "/etc/redhat-release": answers["redhat_release"],
        "/etc/os-release": "\n".join(f'{key}="{value}"' for key, value in answers["release"].items()),
        "/srv/el/cpuinfo": f"processor\t: 0\n{cpu}\nprocessor\t: 1\n\nprocessor\t: 2",
        "/srv/el/selinux": answers["selinux"],
        "/srv/el/virt_use_nfs": "off",
        "/srv/el/profiles": answers["profiles"],
        "/srv/el/clock": answers["clock"],
        "/etc/hosts": "\n".join(["127.0.0.1 localhost", *answers["hosts"]]),
        "/etc/profile.d/el.sh": "\n".join(answers["environment"]),
        "/etc/dnf/dnf.conf": "[main]\nbest=True\ninstall_weak_deps=False",
        "/etc/yum.conf": "[main]\nbest=True",
        "/etc/yum.repos.d/base.repo": "[base]\nname=Stand-ins for EL\nbaseurl=file:///srv/el/repositories/base\ngpgcheck=0",
        "/etc/yum.repos.d/crb.repo": "[crb]\nname=Nothing\nbaseurl=file:///srv/el/repositories/crb\ngpgcheck=0\nenabled=0",
        "/usr/local/lib/systemd/system/NetworkManager.service": "[Service]\nExecStart=/usr/bin/sleep infinity",
    }


def run(*command: str) -> None:
    """A command that has to succeed."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def dress(answers: dict) -> None:
    """Everything; the mark comes last."""
    run("python3", str(EL / "packages.py"), str(EL / "sources"), str(EL / "repositories"))
    for path, text in files(answers).items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text + "\n")
    for command in (EL / "commands").iterdir():
        shutil.copy(command, "/usr/local/sbin")
    # A container sees the processor of the machine it runs on; a mount over the file hides it.
    run("mount", "--bind", "/srv/el/cpuinfo", "/proc/cpuinfo")
    Path("/dev/kvm").touch()
    # The free space of the exports is the fixture's, not that of the machine it runs on.
    (EL / "exports").mkdir(parents=True)
    run("mount", "-t", "tmpfs", "-o", "size=100g,mode=0755", "exports", str(EL / "exports"))
    for path, export in answers["exports"].items():
        folder = EL / "exports" / path.lstrip("/")
        folder.mkdir(parents=True)
        os.chown(folder, export["owner"], export["owner"])
        folder.chmod(int(export["mode"], 8))
    for service in answers["masked"]:
        Path(f"/etc/systemd/system/{service}.service").symlink_to("/dev/null")
    run("systemctl", "daemon-reload")
    if "NetworkManager" not in answers["masked"]:
        run("systemctl", "start", "NetworkManager")
    for port in answers["listening"]:
        run("systemd-run", "--quiet", f"--unit=listener-{port}", "python3", "-m", "http.server", str(port))
    DRESSED.touch()


if __name__ == "__main__":
    if not DRESSED.exists():
        dress({**GOOD, **json.load(sys.stdin)})
        print("dressed")

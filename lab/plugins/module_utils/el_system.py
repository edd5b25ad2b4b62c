"""Facts of an EL machine itself: release, processor, memory, space, services, SELinux. Python of EL9 (3.9)."""

import os
import pwd
import shutil
from grp import getgrgid
from pathlib import Path

SERVICE = ("LoadState", "ActiveState", "UnitFileState")
STORAGE_ID = 36  # user vdsm and group kvm, everywhere


def pairs(text, separator="="):
    """`KEY=value` lines as a dictionary, without quotes."""
    found = (line.partition(separator) for line in text.splitlines() if separator in line)
    return {key.strip(): value.strip().strip("\"'") for key, _, value in found}


def cpu(text):
    """The processors of a /proc/cpuinfo; all are taken to be as the first."""
    first = pairs(text.partition("\n\n")[0], ":")
    return {
        "count": sum(line.startswith("processor") for line in text.splitlines()),
        "vendor": first.get("vendor_id", ""),
        "model": first.get("model name", ""),
        "flags": first.get("flags", "").split(),
    }


def space(path):
    """Free and whole size of the file system a path is or would be on, in GiB."""
    there = Path(path)
    while not there.exists():
        there = there.parent
    usage = shutil.disk_usage(there)
    return {"free_gib": usage.free / 2**30, "size_gib": usage.total / 2**30}


def packages(text):
    """Name -> version, of `rpm --query` with NAME VERSION-RELEASE lines; what is not installed has no such line."""
    return dict(line.split(" ", 1) for line in text.splitlines() if line.count(" ") == 1)


def name_of(lookup, number):
    """The name behind a number, or nothing."""
    try:
        return lookup(number)[0]
    except KeyError:
        return ""


def service(output, name):
    """load, active and enabled, as systemctl words them."""
    found = pairs(output("systemctl", "show", name, "--property=" + ",".join(SERVICE)))
    return {"load": found.get("LoadState", ""), "active": found.get("ActiveState", ""), "enabled": found.get("UnitFileState", "")}


def read(output, paths, wanted_packages, services, files):
    """All of them. `output(*command)` is what a command says, empty where it fails or is not there."""
    memory = pairs(Path("/proc/meminfo").read_text(), ":")
    release = pairs(Path("/etc/os-release").read_text())
    query = ["rpm", "--query", "--queryformat", "%{NAME} %{VERSION}-%{RELEASE}\\n"]
    installed = {}
    for name in wanted_packages:
        installed.update(packages(output(*query, name)))
    return {
        "system": {key.lower(): release.get(key, "") for key in ("ID", "VERSION_ID", "PRETTY_NAME")},
        "architecture": os.uname().machine,
        "memory_mib": int(memory["MemTotal"].split()[0]) // 1024,
        "available_mib": int(memory["MemAvailable"].split()[0]) // 1024,
        "cpu": cpu(Path("/proc/cpuinfo").read_text()),
        "has_kvm": Path("/dev/kvm").exists(),
        "space": {path: space(path) for path in paths},
        "packages": installed,
        "services": {name: service(output, name) for name in services},
        "selinux": output("getenforce").strip(),
        "virt_use_nfs": output("getsebool", "virt_use_nfs").strip().endswith(" on"),
        "storage_user": name_of(pwd.getpwuid, STORAGE_ID),
        "storage_group": name_of(getgrgid, STORAGE_ID),
        "is_clock_synchronized": "NTPSynchronized=yes" in output("timedatectl", "show", "--property=NTPSynchronized"),
        "files": [path for path in files if Path(path).exists()],
    }

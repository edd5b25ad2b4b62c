"""Prints `kvm` where the processor runs virtual machines for QEMU, else why not."""

import fcntl
import os
import platform
import subprocess

CREATE_VM, CREATE_VCPU = 0xAE01, 0xAE41  # linux/kvm.h
KINDS = {"x86_64": "q35", "aarch64": "virt,gic-version=host"}
SECONDS = 60


def kernel():
    """A machine with a processor is made and let go again."""
    device = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    machine = fcntl.ioctl(device, CREATE_VM, 0)
    fcntl.ioctl(machine, CREATE_VCPU, 0)


def qemu():
    """QEMU asks for more: a hypervisor that stands on another one's may refuse what this processor says it can."""
    kind = platform.machine()
    words = ["-machine", f"{KINDS[kind]},accel=kvm", "-cpu", "host", "-nodefaults", "-no-user-config", "-display", "none", "-S"]
    argv = [f"qemu-system-{kind}", *words, "-monitor", "stdio"]
    done = subprocess.run(argv, input="quit\n", capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise OSError(" ".join((done.stderr.splitlines() or [f"QEMU ended with {done.returncode}"])[0].split()))


try:
    kernel()
    qemu()
except FileNotFoundError as error:
    # Before QEMU is installed, as in a dry run, the kernel's word counts.
    print("no: there is no /dev/kvm" if error.filename == "/dev/kvm" else "kvm")
except (OSError, subprocess.TimeoutExpired) as error:
    print(f"no: {error}")
else:
    print("kvm")

"""Prints `kvm` where the processor runs virtual machines for us, else why not."""

import fcntl
import os

CREATE_VM, CREATE_VCPU = 0xAE01, 0xAE41  # linux/kvm.h

try:
    device = os.open("/dev/kvm", os.O_RDWR)
    machine = fcntl.ioctl(device, CREATE_VM, 0)
    fcntl.ioctl(machine, CREATE_VCPU, 0)
except OSError as error:
    print(f"no: {error}")
else:
    print("kvm")

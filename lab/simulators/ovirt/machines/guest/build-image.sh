#!/bin/sh
# Makes a container of the machine image the place a virtual machine of the simulated oVirt runs in. Mounted: /run/recipe (this folder)
# and /run/kernel (the kernel's image).
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
# qemu-storage-daemon shows a qcow2 layer as a plain file; xorriso writes config-2; libnfs writes to exports without a kernel's client.
# The others grow a disk and boot what is on it without a kernel of its own.
apt-get -qq -o Dpkg::Use-Pty=0 install --no-install-recommends \
  libnfs14 qemu-utils xorriso cloud-guest-utils e2fsprogs fdisk systemd-container > /dev/null
apt-get clean
rm -rf /var/lib/apt/lists/*
command -v qemu-storage-daemon > /dev/null
mkdir -p /usr/lib/lab-ovirt
cp /run/kernel/linux /usr/lib/lab-ovirt/linux
chmod 755 /usr/lib/lab-ovirt/linux

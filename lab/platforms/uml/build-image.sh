#!/bin/sh
# Turns a container of the machine image into a guest's disk, and leaves the disk beside the kernel in that container: build-image.sh
# Mounted: /run/recipe (this folder) and /run/kernel (the kernel's image).
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
# What a container leaves to the machine around it.
apt-get -qq -o Dpkg::Use-Pty=0 install --no-install-recommends e2fsprogs kmod udev > /dev/null
apt-get clean
rm -rf /var/lib/apt/lists/*
touch -d @0 /var/lib/apt/lists

# A container's own files, without the mounts that podman lays over them.
for file in /etc/resolv.conf /etc/hostname /etc/hosts /run/.containerenv; do
  if mountpoint -q "$file"; then umount "$file"; fi
done
mkdir -p /run/out
mount -t tmpfs -o size=4g none /run/out
mount --bind / /mnt
cd /mnt
# By .containerenv a guest would take itself for a container.
rm -f run/.containerenv etc/systemd/network/05-uplink.network etc/systemd/system/systemd-modules-load.service
ln -sf ../run/systemd/resolve/stub-resolv.conf etc/resolv.conf
: > etc/hostname
printf '127.0.0.1 localhost\n::1 localhost\n' > etc/hosts
# The vector driver starts with the MTU of the cable, and then refuses any above 1500, also the same one from DHCP.
sed -i 's/^UseMTU=yes$/UseMTU=no/' etc/systemd/network/90-lab.network
mkdir -p usr/lib/modules etc/systemd/system.conf.d
cp -r /run/kernel/modules/. usr/lib/modules/
for release in usr/lib/modules/*; do depmod -b . "${release##*/}"; done
cp /run/recipe/guest/60-lab-disks.rules etc/udev/rules.d/
cp /run/recipe/guest/bounded-poweroff.conf etc/systemd/system.conf.d/
cp /run/recipe/guest/tell-host-key.service /run/recipe/guest/tell-host-key.path etc/systemd/system/
cp /run/recipe/guest/cpu-speed.service etc/systemd/system/
install -D -m 755 /run/recipe/guest/cpu-speed usr/local/lib/lab/cpu-speed
# The generator reads the names and addresses of interfaces from the kernel's command line.
systemctl --root=. enable -q systemd-network-generator.service tell-host-key.service tell-host-key.path cpu-speed.service 2> /dev/null
# Packages are written without waiting for the disk after each file: who loses power during an installation makes the machine anew.
echo force-unsafe-io > etc/dpkg/dpkg.cfg.d/lab
# The first boot has no caches to make: they came with the packages.
touch etc/.updated var/.updated
used=$(du -sxm . | cut -f1)
mke2fs -q -t ext4 -b 4096 -i 16384 -J size=64 -L root -d . /run/out/disk.ext4 "$((used * 5 / 4 + 160))M"
# From here on for the container around the guest; podman puts its own file there.
rm etc/resolv.conf
: > etc/resolv.conf
cd /
umount /mnt
mkdir -p /usr/lib/lab-vm
cp --sparse=always /run/out/disk.ext4 /usr/lib/lab-vm/disk.ext4
cp /run/kernel/linux /usr/lib/lab-vm/linux
cp /run/recipe/run-guest.sh /usr/lib/lab-vm/run-guest
chmod 755 /usr/lib/lab-vm/linux /usr/lib/lab-vm/run-guest
umount /run/out

#!/bin/sh
# The first process of a virtual machine's container: plugs the guest in, lays out its disks, and becomes its kernel.
# VM_CABLES: interfaces, in the order of the kernel's vec0, vec1, ...; VM_DISKS: NAME:MIB ...; VM_CPU: any number; the words are the kernel's.
set -eu
folder=/var/lib/lab-vm
mkdir -p "$folder" "$TMPDIR/told"

# Between podman's interface and the guest's there is a bridge of their own. Its ports have addresses that nobody else has: the guest
# has the one that the site gave.
echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6
echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6
# A restarted container finds what it made before.
for left in /sys/class/net/bridge[0-9]* /sys/class/net/tap[0-9]*; do
  if [ -e "$left" ]; then ip link delete dev "${left##*/}"; fi
done
number=0
for cable in $VM_CABLES; do
  mtu=$(cat "/sys/class/net/$cable/mtu")
  ip address flush dev "$cable"
  ip link add name "bridge$number" mtu "$mtu" type bridge mcast_snooping 0
  ip tuntap add dev "tap$number" mode tap
  ip link set dev "tap$number" mtu "$mtu" master "bridge$number" up
  ip link set dev "$cable" master "bridge$number" up
  ip link set dev "bridge$number" up
  number=$((number + 1))
done

for disk in $VM_DISKS; do
  file="$folder/${disk%%:*}.img"
  if [ ! -e "$file" ]; then
    if [ "${disk%%:*}" = root ]; then
      cp --sparse=always /usr/lib/lab-vm/disk.ext4 "$file.new"
      truncate --size="${disk##*:}M" "$file.new"
      resize2fs "$file.new" > /dev/null
    else
      truncate --size="${disk##*:}M" "$file.new"
    fi
    mv "$file.new" "$file"
  fi
done

# The guest's kernel says nothing about the processor's speed (guest/cpu-speed.service).
speed=$(sed -n 's/^cpu MHz[^0-9]*\([0-9.]*\).*/\1/p' /proc/cpuinfo | head -n 1)
if [ -n "$speed" ]; then set -- "$@" "lab.cpu_mhz=$speed"; fi

# One processor: otherwise the kernel's thread and the guest's processes chase each other between two.
exec taskset -c "$((VM_CPU % $(nproc)))" /usr/lib/lab-vm/linux "$@"

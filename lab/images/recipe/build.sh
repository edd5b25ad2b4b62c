#!/bin/sh
# Builds the disk of a new virtual machine in a throwaway container of the machine image: build.sh SUITE PACKAGES MIB FILE
# Nothing here needs a loop device or a mounted file system: partitions are filled in place, inside one sparse file.
set -eu
export DEBIAN_FRONTEND=noninteractive
umask 022
here=$(dirname "$0") suite=$1 packages=$2 mib=$3 file=$4
step() { printf '== %s %s\n' "$(date -u +%T)" "$*"; }

[ "$(dpkg --print-architecture)" = amd64 ] || {
  echo "boots by BIOS and UEFI of amd64 only; fix: build it on such a computer"
  exit 1
}

step "installs what builds a disk"
apt-get -qq update
apt-get -qq -o Dpkg::Use-Pty=0 install --no-install-recommends \
  mmdebstrap e2fsprogs fdisk dosfstools mtools qemu-utils grub-common grub-pc-bin > /dev/null
# These two are only read: installed, they would look for a boot partition.
mkdir /signed
(cd /signed && apt-get -qq download shim-signed grub-efi-amd64-signed)
for package in /signed/*.deb; do dpkg-deb -x "$package" /signed; done

mkdir /run/disk
mount -t tmpfs -o size=5g none /run/disk
tree=/run/disk/tree disk=/run/disk/disk.raw

step "installs Debian $suite"
# The mirror is the one this container came from.
mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  "$suite" "$tree" /etc/apt/sources.list

step "sets it up"
cp -r --no-preserve=mode,ownership "$here/tree/." "$tree/"
cp /etc/systemd/system/ssh-host-keys.service "$tree/etc/systemd/system/"
ln -sf ../run/systemd/resolve/stub-resolv.conf "$tree/etc/resolv.conf"
echo debian > "$tree/etc/hostname"
printf '127.0.0.1 localhost\n::1 localhost\n' > "$tree/etc/hosts"
systemctl --root="$tree" enable -q systemd-networkd.service systemd-resolved.service ssh.service ssh-host-keys.service
# It reads the names of interfaces from the command line of a kernel that gives them.
systemctl --root="$tree" enable -q systemd-network-generator.service 2> /dev/null
# The first looks after LVM, which is not here, at every boot; the second mounts the loader's partition, which nobody needs.
systemctl --root="$tree" disable -q e2scrub_reap.service e2scrub_all.timer
mkdir -p "$tree/etc/systemd/system-generators"
ln -s /dev/null "$tree/etc/systemd/system-generators/systemd-gpt-auto-generator"
chroot "$tree" passwd -q -l root
# What every machine has to make for itself.
rm -f "$tree"/etc/ssh/ssh_host_*
: > "$tree/etc/machine-id"
rm -rf "$tree"/var/lib/dbus/machine-id "$tree"/var/log/*.log "$tree"/var/log/apt "$tree"/var/lib/systemd/random-seed
touch -d @0 "$tree/var/lib/apt/lists"
# The first boot has no caches to make: they came with the packages.
touch "$tree/etc/.updated" "$tree/var/.updated"

step "lays out the disk"
truncate --size="${mib}M" "$disk"
# Root is number 1 and lies last, so that it can grow.
sfdisk --quiet "$disk" << 'END'
label: gpt
first-lba: 2048
14: start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649, name=bios
15: start=4096, size=61440, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name=efi
1: start=65536, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name=root
END
kib=$(((mib - 33) * 1024)) # the table's second copy is at the end
mke2fs -q -t ext4 -b 4096 -J size=64 -L root -d "$tree" -E offset=$((65536 * 512)) "$disk" "${kib}k"

step "makes it boot"
# shellcheck disable=SC2016 # the loader expands it
printf '%s\n' 'search --no-floppy --set=root --label root' 'configfile ($root)/boot/grub/grub.cfg' > /tmp/find-root.cfg
grub-mkimage --format=i386-pc --output=/tmp/core.img --prefix='(hd0,gpt1)/boot/grub' --config=/tmp/find-root.cfg \
  biosdisk part_gpt ext2 search search_label configfile normal linux echo test sleep reboot halt ls cat
python3 "$here/boot_sector.py" "$disk" /usr/lib/grub/i386-pc/boot.img /tmp/core.img 2048 2048
efi=/run/disk/efi.fat
mkfs.vfat -C -F 16 -n EFI "$efi" 30720 > /dev/null
mmd -i "$efi" ::/EFI ::/EFI/BOOT ::/EFI/debian
mcopy -i "$efi" /signed/usr/lib/shim/shimx64.efi.signed ::/EFI/BOOT/BOOTX64.EFI
mcopy -i "$efi" /signed/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed ::/EFI/BOOT/grubx64.efi
mcopy -i "$efi" /tmp/find-root.cfg ::/EFI/debian/grub.cfg
dd if="$efi" of="$disk" bs=512 seek=4096 conv=notrunc,sparse status=none

step "packs it"
qemu-img convert -c -O qcow2 "$disk" "$file"
chmod 644 "$file"
step "built $(du -m "$file" | cut -f1) MiB"

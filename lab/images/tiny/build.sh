#!/bin/sh
# Builds the tiny guest in a throwaway container of the machine image: build.sh MIB FILE
# The same packages give the same bytes: times, names and numbers are all told.
set -eu
export DEBIAN_FRONTEND=noninteractive SOURCE_DATE_EPOCH=1735689600 LC_ALL=C
umask 022
here=$(dirname "$0") mib=$1 file=$2
step() { printf '== %s %s\n' "$(date -u +%T)" "$*"; }

[ "$(dpkg --print-architecture)" = amd64 ] || {
  echo "boots by a BIOS of amd64 only; fix: build it on such a computer"
  exit 1
}

step "installs what it is made of"
apt-get -qq update
apt-get -qq -o Dpkg::Use-Pty=0 install --no-install-recommends \
  busybox-static dropbear-bin kmod cpio zstd xz-utils e2fsprogs fdisk qemu-utils grub-common grub-pc-bin > /dev/null
# Only read: installed, it would make a boot of its own.
kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[^ ]*\)/\1/p')
mkdir /kernel /kernel/usr
(cd /kernel && apt-get -qq download "$kernel" && dpkg-deb -x linux-image-*.deb .)
[ -e /kernel/lib ] || ln -s usr/lib /kernel/lib
version=${kernel#linux-image-}

step "lays out its memory"
tree=/run/tree
mkdir -p $tree/bin $tree/dev $tree/disk $tree/etc $tree/lib/modules $tree/proc $tree/root/.ssh $tree/run $tree/srv $tree/sys $tree/tmp
cp -r --no-preserve=mode,ownership "$here/tree/." $tree/
chmod 755 $tree/etc/start $tree/etc/card $tree/etc/dhcp $tree/etc/told $tree/etc/hotplug $tree/etc/acpi/PWRF/00000080
chmod 700 $tree/root $tree/root/.ssh
ln -s bin $tree/sbin
cp "$(command -v busybox)" $tree/bin/busybox
busybox --list | while read -r name; do [ "$name" = busybox ] || ln -s busybox "$tree/bin/$name"; done
ln -s bin/busybox $tree/init
cp "$(command -v dropbear)" $tree/bin/dropbear
# All it is linked with, the loader too, at the same paths.
ldd "$(command -v dropbear)" | grep -o '/[^ ]*' | while read -r library; do
  mkdir -p "$tree$(dirname "$library")"
  cp -L "$library" "$tree$library"
done
ln -s ../disk/dropbear $tree/etc/dropbear

depmod -b /kernel "$version"
# In the order in which they can be loaded; what the kernel has built in is not named.
for name in virtio_blk virtio_net virtio_scsi sd_mod virtio_rng ata_piix ahci sr_mod isofs nls_ascii nls_cp437 vfat button evdev; do
  modprobe -d /kernel -S "$version" --show-depends "$name"
done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' > /run/modules
while read -r module; do
  name=$(basename "$module" .xz)
  xz -dc "$module" > "$tree/lib/modules/$name"
  echo "$name" >> $tree/lib/modules/order
done < /run/modules

step "packs its memory"
find $tree -exec touch -h -d @$SOURCE_DATE_EPOCH {} +
boot=/run/boot
mkdir -p $boot/boot/grub
(cd $tree && find . -print0 | sort -z | cpio --null --create --format=newc --owner=0:0 --reproducible --quiet) | zstd -q -19 > $boot/initrd
cp "/kernel/boot/vmlinuz-$version" $boot/vmlinuz
cat > $boot/boot/grub/grub.cfg << 'END'
linux /vmlinuz console=tty0 console=ttyS0,115200n8 net.ifnames=0 panic=10 quiet
initrd /initrd
boot
END

step "lays out the disk"
disk=/run/disk.raw
truncate --size="${mib}M" $disk
sfdisk --quiet $disk << 'END'
label: gpt
label-id: 74696E79-0000-4000-8000-000000000000
first-lba: 2048
2: start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649, name=bios, uuid=74696E79-0000-4000-8000-000000000002
1: start=4096, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name=tiny, uuid=74696E79-0000-4000-8000-000000000001
END
find $boot -exec touch -h -d @$SOURCE_DATE_EPOCH {} +
mke2fs -q -t ext4 -b 1024 -m 0 -J size=1 -L tiny -U 74696e79-0000-4000-8000-000000000001 \
  -E offset=$((4096 * 512)),hash_seed=74696e79-0000-4000-8000-000000000003,root_owner=0:0 -d $boot $disk "$(((mib - 3) * 1024))k"
# shellcheck disable=SC2016 # the loader expands it
printf '%s\n' 'search --no-floppy --set=root --label tiny' 'configfile ($root)/boot/grub/grub.cfg' > /run/find-root.cfg
grub-mkimage --format=i386-pc --output=/run/core.img --prefix='(hd0,gpt1)/boot/grub' --config=/run/find-root.cfg \
  biosdisk part_gpt ext2 search search_label configfile normal linux
python3 /images/recipe/boot_sector.py $disk /usr/lib/grub/i386-pc/boot.img /run/core.img 2048 2048

step "packs it"
qemu-img convert -c -O qcow2 $disk "$file"
chmod 644 "$file"
step "built $(du -k "$file" | cut -f1) KiB with kernel $version"

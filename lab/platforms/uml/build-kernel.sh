#!/bin/sh
# Builds the guest's kernel in a throwaway container: build-kernel.sh SOURCE_PACKAGE, with kernel.config beside this file.
# Leaves /out/version and /out/kernel.tar: linux, and the lists in modules/RELEASE that say what is built in.
set -eu
export DEBIAN_FRONTEND=noninteractive ARCH=um
here=$(dirname "$0")
step() { printf '== %s %s\n' "$(date -u +%T)" "$*"; }

step "installs the compiler and $1"
# shellcheck source=/dev/null
. /etc/os-release
mirror=$(sed -n 's/^deb \([^ ]*\) .*/\1/p' /etc/apt/sources.list | head -n 1)
printf 'deb %s %s-backports main\n' "$mirror" "$VERSION_CODENAME" > /etc/apt/sources.list.d/backports.list
apt-get -qq update
apt-get -qq -o Dpkg::Use-Pty=0 install --no-install-recommends bc bison flex gcc kmod libc6-dev make xz-utils "$1" > /dev/null

step "unpacks $1"
mkdir -p /build /out
# What is not read here is left out: it is a tenth of the files.
tar -C /build --strip-components=1 -xf "/usr/src/$1.tar.xz" --wildcards --exclude='*/arch/*/boot/dts' --exclude='*/Documentation/*/*'
cd /build

step "configures"
make -s defconfig
scripts/kconfig/merge_config.sh -m .config "$here/kernel.config" > /dev/null
make -s olddefconfig
# Kconfig drops what its dependencies do not allow, and says nothing of it.
grep '=y$' "$here/kernel.config" | while read -r option; do
    grep -qx "$option" .config || echo "$option"
done > /build/missing
if [ -s /build/missing ]; then
    echo "these options are of kernel.config and not of the kernel: $(tr '\n' ' ' < /build/missing)"
    exit 1
fi

step "compiles with $(nproc) processes"
make -j "$(nproc)" linux

release=$(cat include/config/kernel.release)
step "packs linux $release"
mkdir -p "/out/modules/$release"
strip -o /out/linux linux
cp modules.builtin modules.builtin.modinfo "/out/modules/$release/"
: > "/out/modules/$release/modules.order"
tar -C /out -cf /out/kernel.tar linux modules
dpkg-query -W -f '${Version}' "$1" > /out/version
step "built linux $release"

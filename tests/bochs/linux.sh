#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Boots Debian's stock kernel as a guest on VMX in Bochs, to an init of our own that says so and powers off. Usage: linux.sh RAVELIN_COMMAND IMAGE
set -euo pipefail
ravelin=$1 image=$2
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
kernel=$(ls /boot/vmlinuz-*-cloud-amd64 | sort -V | tail -n 1)
"$ravelin" kernel extract "$kernel" --output "$work/vmlinux"

mkdir -p "$work/tree/dev"
cat >"$work/init.c" <<'CODE'
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <unistd.h>
int main(void) {
    mount("none", "/dev", "devtmpfs", 0, "");
    dup2(open("/dev/console", O_RDWR), 1);
    puts("linux-test: init runs");
    fflush(stdout);
    sleep(1);
    puts("linux-test: slept");
    fflush(stdout);
    return reboot(RB_POWER_OFF);
}
CODE
gcc -static -O2 -o "$work/tree/init" "$work/init.c"
(cd "$work/tree" && find . | cpio --quiet -o -H newc) >"$work/initrd"
cat >"$work/manifest.toml" <<'TOML'
version = 1
platform = "Linux on VMX"
[[domain]]
id = 0
name = "linux"
role = "domain0"
kernel = "guest.kernel"
ramdisk = "guest.ramdisk"
command_line = "console=hvc0 earlyprintk=xen panic=-1"
memory_mib = 256
vcpus = 1
label = "guest"
TOML
"$ravelin" manifest compile "$work/manifest.toml" --output "$work/manifest"
"$here/boot.sh" -s 3400 -M 512 "$image" manifest="$work/manifest" guest.kernel="$work/vmlinux" guest.ramdisk="$work/initrd" | tee "$work/out"
for words in 'virtualisation: VMX with EPT' 'linux-test: init runs' 'linux-test: slept' 'stopped: power off'; do
    grep -q "$words" "$work/out" || { echo "missing: $words"; exit 1; }
done

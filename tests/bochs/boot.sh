#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Boots the whole hypervisor in Bochs from a GRUB ISO and shows the serial text. Exit 0 when the machine was powered off by its guests' end.
# Usage: boot.sh [-m MODEL] [-c CPUS] [-s SECONDS] [-M MEGABYTES] IMAGE MODULE=FILE...   (MODEL: corei7_skylake_x, VMX; ryzen, SVM)
set -euo pipefail
model=corei7_skylake_x cpus=1 seconds=90 megabytes=256
while getopts m:c:s:M: option; do
    case $option in
    m) model=$OPTARG ;;
    c) cpus=$OPTARG ;;
    s) seconds=$OPTARG ;;
    M) megabytes=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
image=$(realpath "$1")
shift
folder=$(mktemp -d)
bochs_pid=
trap '[ -z "$bochs_pid" ] || kill -9 "$bochs_pid" 2>/dev/null || true; rm -rf "$folder"' EXIT

mkdir -p "$folder/iso/boot/grub"
cp "$image" "$folder/iso/boot/ravelin.elf32"
{
    echo 'set timeout=0'
    echo 'multiboot2 /boot/ravelin.elf32'
    for module in "$@"; do
        cp "${module#*=}" "$folder/iso/boot/${module%%=*}"
        echo "module2 /boot/${module%%=*} ${module%%=*}"
    done
    echo 'boot'
} >"$folder/iso/boot/grub/grub.cfg"
grub-mkrescue -d /usr/lib/grub/i386-pc --install-modules="multiboot2 normal iso9660 biosdisk" --fonts= --locales= --themes= \
    -o "$folder/boot.iso" "$folder/iso" >"$folder/mkrescue" 2>&1 || { cat "$folder/mkrescue"; exit 2; }

cat >"$folder/bochsrc" <<CONFIG
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
display_library: rfb, options="timeout=0"
sound: driver=dummy
speaker: enabled=0
megs: $megabytes
cpu: model=$model, count=$cpus, ips=10000000, reset_on_triple_fault=0
clock: sync=none, time0=1700000000
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=$folder/boot.iso, status=inserted
boot: cdrom
panic: action=fatal
error: action=report
com1: enabled=1, mode=file, dev=$folder/serial
log: $folder/log
CONFIG
printf 'c\nq\n' >"$folder/commands"

: >"$folder/serial"
for _ in 1 2 3; do
    bochs -q -f "$folder/bochsrc" -rc "$folder/commands" >"$folder/out" 2>&1 &
    bochs_pid=$!
    end=$((SECONDS + seconds))
    # It ends by itself with the machine. One that was stopped in words waits for its reset: that is the end too.
    while kill -0 "$bochs_pid" 2>/dev/null && [ $SECONDS -lt $end ] && ! grep -q 'reset the machine\|no domain was started\|PANIC' "$folder/serial"; do
        sleep 0.2
    done
    status=0
    if kill -0 "$bochs_pid" 2>/dev/null; then
        status=124
        kill -9 "$bochs_pid"
        wait "$bochs_pid" 2>/dev/null || true
    else
        wait "$bochs_pid" || status=$?
    fi
    bochs_pid=
    [ "$status" -eq 139 ] && [ ! -s "$folder/serial" ] || break # two emulators chose one display port
done
tr -d '\r' <"$folder/serial"
if ! grep -q '^power off\|: power off' "$folder/serial"; then
    echo "bochs: exit status $status (124: ended by us after at most $seconds s); the end of its log:"
    tail -n 15 "$folder/log" "$folder/out" 2>/dev/null || true
    exit 1
fi

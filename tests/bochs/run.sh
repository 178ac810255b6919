#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs one ROM image in Bochs and shows its serial output. Usage: run.sh ROM SECONDS; exit 0 when the program says PASS.
set -euo pipefail
rom=$(realpath "$1")
seconds=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/bochsrc" <<CONFIG
romimage: file=$rom, address=0xffff0000
vgaromimage: file=/usr/share/vgabios/vgabios.bin
display_library: rfb, options="timeout=0"
sound: driver=dummy
speaker: enabled=0
megs: 64
cpu: model=corei7_skylake_x, count=1, ips=10000000, reset_on_triple_fault=0
clock: sync=none
panic: action=fatal
error: action=report
com1: enabled=1, mode=file, dev=$folder/serial
log: $folder/log
CONFIG
printf 'c\nq\n' >"$folder/commands"
for _ in 1 2 3; do
    status=0
    timeout "$seconds" bochs -q -f "$folder/bochsrc" -rc "$folder/commands" >"$folder/out" 2>&1 || status=$?
    # 139 at the start, before a line of serial output: two emulators chose one display port. Try again.
    [ "$status" -eq 139 ] && [ ! -s "$folder/serial" ] || break
done
cat "$folder/serial" 2>/dev/null || true
if ! grep -q ': PASS$' "$folder/serial" 2>/dev/null; then
    echo "bochs: exit status $status (124: no end within $seconds s); the end of its log:"
    tail -n 15 "$folder/log" "$folder/out" 2>/dev/null || true
    exit 1
fi

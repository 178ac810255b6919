#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# In domain 0: makes the demo's two guests, waits until both have powered themselves off, shows what they said, and takes them away.
# This script is in the measured initramfs. The guests' files are not: they come on a disk, and Ravelin measures what it is handed of them.
say() { echo "guests: $*"; }
vm() { if command -v ravelin-vm >/dev/null; then ravelin-vm "$@"; else ravelin vm "$@"; fi; }

for disk in /sys/block/vd*; do
    [ "$(cat "$disk/serial")" != guests ] || (cd / && cpio -id <"/dev/${disk##*/}" 2>/dev/null)
done
for guest in alpha beta; do
    if domain=$(vm create "/guests/$guest.toml"); then
        say "$guest created: $domain"
    else
        say "$guest FAILED: could not be created"
    fi
done
vm list
for guest in alpha beta; do
    for second in $(seq 300); do
        vm info --json "$guest" | grep -q '"state": "stopped"' && break
        sleep 1
    done
    vm console --print "$guest" | sed -n "s/\r//; s/^guest: /guests: $guest: /p"
    say "$guest ended: $(vm info --json "$guest" | sed -n 's/.*"end": "\(.*\)".*/\1/p')"
done
for guest in alpha beta; do
    vm destroy "$guest" && say "$guest destroyed"
done
vm list
cmp /guests/alpha.img /guests/beta.img && say "the disks are the same"
say "the copied disk is $(sha256sum /guests/beta.img | cut -d' ' -f1)"

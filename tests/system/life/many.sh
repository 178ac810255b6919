#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# In domain 0 of a 4 GiB machine: 32 guests at once, four of them stock Linux at work, through ballooning and back ends that come back.
. /tests/guests.sh
linuxes="linux0 linux1 linux2 linux3"
running() { vm list | grep -c ' running$'; }

unpack_guests
at_first=$(free_frames)
for guest in $linuxes; do truncate -s 4M /guests/$guest.img && vm create /guests/$guest.toml; done
for number in $(seq 28); do
    sed "s/^name = .*/name = \"small$number\"/" /guests/small.toml >/guests/small$number.toml
    vm create /guests/small$number.toml
done
for guest in $linuxes; do ready $guest; done
for number in $(seq 28); do until_so 60 heard small$number ready || say "small$number: never ready"; done
say "running at once: $(running)"
for guest in $linuxes; do ask $guest 'load xvda >/tmp/load 2>&1 &' >/dev/null; done
for guest in $linuxes; do vm memory $guest 112; done
for guest in $linuxes; do until_so 100 memory_is $guest 100 113 && say "$guest down: $(($(of $guest memory_kib) / 1024))"; done
end_back_ends vbd
say "without a back end: $(vm list | grep -c 'no back end serves it')"
insmod /lib/modules/xen-blkback.ko
for guest in $linuxes; do vm memory $guest 160; done
for guest in $linuxes; do until_so 100 memory_is $guest 158 160 && say "$guest up: $(($(of $guest memory_kib) / 1024))"; done
say "running at once: $(running)"
for guest in $linuxes; do
    passes=$(ask $guest 'cat /tmp/passes')
    until_so 100 more_passes $guest "$passes" && say "$guest still works"
    say "$guest failures: $(ask $guest 'cat /tmp/failures')"
done
for number in $(seq 28); do vm console --type off small$number; done
for number in $(seq 28); do until_so 60 gone small$number || say "small$number: not gone"; done
vm shutdown linux0 --wait 100 && say "linux0 was shut down"
for guest in linux1 linux2 linux3; do vm destroy $guest && say "$guest was destroyed at work"; done
vm list
say "free frames: $at_first before, $(free_frames) after"

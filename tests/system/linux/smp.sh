#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# Which vCPUs there are, and that each has done work by itself when all of them had some.
echo "smp-test: online $(grep -c ^processor /proc/cpuinfo)"
for cpu in 0 1 2 3; do
    taskset -c $cpu sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; echo done' >/tmp/worked.$cpu &
done
wait
echo "smp-test: worked on $(cat /tmp/worked.* | grep -c done)"

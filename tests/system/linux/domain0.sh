#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# What stock Linux as domain 0 sees of the ABI: time that passes, a device with its interrupts, the console in both directions.
before=$(cut -d. -f1 /proc/uptime)
sleep 2
after=$(cut -d. -f1 /proc/uptime)
echo "linux-test: slept $((after - before))"
echo "linux-test: network $(ping -c 3 10.0.2.2 | grep received)"
echo "linux-test: interrupts $(grep PCI-MSI /proc/interrupts | tr -s ' ' | cut -d' ' -f3 | sort -n | tail -n 1)"
echo "linux-test: upcalls by $(grep -c xen-percpu /proc/interrupts) per-CPU events"
echo "linux-test: ready"
read -r line
echo "linux-test: heard <$line>"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What must hold of the linked hypervisor: no segment both writable and executable, no run-time constructors, no dynamic linking.
# Usage: check_image.sh READELF ELF
set -euo pipefail
readelf=$1
elf=$2
if "$readelf" -lW "$elf" | awk '$1 == "LOAD"' | grep -q 'RWE'; then
    echo "$elf has a segment that is writable and executable" >&2
    exit 1
fi
if "$readelf" -SW "$elf" | grep -qE '\.(init_array|ctors|dynamic|got|tdata|tbss) '; then
    echo "$elf has a section that freestanding code must not need:" >&2
    "$readelf" -SW "$elf" | grep -E '\.(init_array|ctors|dynamic|got|tdata|tbss) ' >&2
    exit 1
fi

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What exits cost on Bochs, in its TSC's ticks, one an instruction: VMX, and SVM with next-RIP save. Usage: bench.sh BUILD_FOLDER
set -euo pipefail
build=$(realpath "$1")
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf 'version = 1\nplatform = "Benchmarks"\n[[domain]]\nid = 0\nname = "guest"\nrole = "domain0"\nkernel = "guest.kernel"\nmemory_mib = 64\nvcpus = 1\nlabel = "guest"\n' \
    >"$work/toml"
"$build/tools/ravelin/ravelin" manifest compile "$work/toml" --output "$work/manifest" >/dev/null
for model in corei7_skylake_x ryzen; do
    "$here/boot.sh" -m "$model" -s 300 "$build/hv/ravelin.elf32" manifest="$work/manifest" guest.kernel="$build/tests/guests/bench.elf" >"$work/$model" ||
        { cat "$work/$model"; exit 1; }
    grep -q 'Test result: SUCCESS' "$work/$model" || { cat "$work/$model"; exit 1; }
    sed -n 's/^bench\.\([^:]*\): \([0-9]*\)$/\1 \2/p' "$work/$model" | sort >"$work/$model.rows"
done
printf '%-24s %10s %10s\n' 'Bochs, instructions' VMX SVM
join "$work/corei7_skylake_x.rows" "$work/ryzen.rows" | while read -r what vmx svm; do printf '%-24s %10s %10s\n' "$what" "$vmx" "$svm"; done

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Boots one of tests/guests under the whole hypervisor on Bochs's VMX machine and on its SVM machine: on both it must succeed, and say
# the same. Usage: guest.sh [-c CPUS] [-m MODELS] RAVELIN_COMMAND IMAGE GUEST_ELF NAME:VCPUS...   (a domain each, of that guest)
set -euo pipefail
cpus=1 models="corei7_skylake_x ryzen"
while getopts c:m: option; do
    case $option in
    c) cpus=$OPTARG ;;
    m) models=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
ravelin=$1 image=$2 guest=$3
shift 3
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

{
    printf 'version = 1\nplatform = "Guests"\n'
    id=0
    [ $# -eq 1 ] || id=1
    for domain in "$@"; do
        role=guest
        [ $id -ne 0 ] || role=domain0
        printf '[[domain]]\nid = %s\nname = "%s"\nrole = "%s"\nkernel = "guest.kernel"\nmemory_mib = 64\nvcpus = %s\nlabel = "guest"\n' \
            "$id" "${domain%:*}" "$role" "${domain#*:}"
        id=$((id + 1))
    done
} >"$work/manifest.toml"
"$ravelin" manifest compile "$work/manifest.toml" --output "$work/manifest" >"$work/compile"

failed=0
for model in $models; do
    echo "== $model"
    "$here/boot.sh" -m "$model" -c "$cpus" "$image" manifest="$work/manifest" guest.kernel="$guest" >"$work/$model" || failed=1
    cat "$work/$model"
    # A guest's words; with several domains in any order.
    grep -v '^ravelin: ' "$work/$model" | sort >"$work/$model.words" || true
    [ "$(grep -c 'Test result: SUCCESS' "$work/$model")" -eq $# ] || failed=1
done
grep -q 'virtualisation: VMX with EPT' "$work/corei7_skylake_x" || failed=1
grep -q 'UNMEASURED' "$work/corei7_skylake_x" && grep -q 'DMA UNPROTECTED' "$work/corei7_skylake_x" || failed=1
if [ -e "$work/ryzen" ]; then
    grep -q 'virtualisation: SVM with nested paging' "$work/ryzen" || failed=1
    diff "$work/corei7_skylake_x.words" "$work/ryzen.words" || failed=1
fi
exit $failed

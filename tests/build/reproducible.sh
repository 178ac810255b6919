#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the hypervisor twice, in folders whose names differ in length, and compares the images: the hash is the measurement, so
# anybody must get the same one. Usage: reproducible.sh CMAKE SOURCE_DIR
set -euo pipefail
cmake=$1
source_dir=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
image() { # image FOLDER: builds a copy of the sources there; prints the hash of the image
    mkdir -p "$1/source"
    cp -r "$source_dir"/{CMakeLists.txt,cmake,lib,iommu,tboot-glue,hv} "$1/source/"
    # No compiler cache: it would hand the first build's objects to the second.
    CCACHE_DISABLE=1 "$cmake" -S "$1/source" -B "$1/source/build/hv" -G Ninja -DCMAKE_CXX_COMPILER=g++ -DRAVELIN_HOSTED=OFF >"$1/log" 2>&1 &&
        CCACHE_DISABLE=1 "$cmake" --build "$1/source/build/hv" --target ravelin-hypervisor >>"$1/log" 2>&1 ||
        { tail -25 "$1/log" >&2 && return 1; }
    sha256sum "$1/source/build/hv/hv/ravelin.elf32" | cut -d' ' -f1
}
first=$(image "$scratch/a")
second=$(TZ=Asia/Tokyo image "$scratch/a-folder-with-quite-a-long-name/b")
echo "first:  $first"
echo "second: $second"
[ "$first" = "$second" ] || { echo "the same sources gave two images" && exit 1; }

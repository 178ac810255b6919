#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The dependency table is enforced: a house in order builds, and each way to break the order stops its build with the right
# words. Usage: run.sh FOLDER_OF_THE_RULES CXX; exit 0: all as expected.
set -euo pipefail
rules=$1
compiler=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

build_case() {
    cmake -G Ninja -S "$here" -B "$folder/$1" -DRULES="$rules" -DCASE="$1" -DCMAKE_CXX_COMPILER="$compiler" &&
        cmake --build "$folder/$1"
}
refused() { # refused CASE WORDS
    if build_case "$1" >"$folder/$1.out" 2>&1; then
        echo "layers: $1 built, and must not" && exit 1
    fi
    if ! tr -s ' \n' '  ' <"$folder/$1.out" | grep -qE -- "$2"; then
        echo "layers: $1 was refused, but not with: $2" && cat "$folder/$1.out" && exit 1
    fi
    echo "layers: $1 is refused: $2"
}

build_case allowed >"$folder/allowed.out" 2>&1 || { echo "layers: the house in order does not build" && cat "$folder/allowed.out" && exit 1; }
echo "layers: the house in order builds"
refused forbidden_dependency "module 'crypto' may not depend on 'wire'"
refused upward_dependency "module 'crypto' may not depend on 'hv'"
refused unknown_module "module 'attic' is not in the dependency table"
refused undeclared_include "base/base.hpp('|:) (No such file|file not found)"

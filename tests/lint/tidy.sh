#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang-tidy over the sources that a build folder of the preset 'clang' compiles. Usage: tidy.sh SOURCE_DIR BUILD_DIR [REGEX of files]
set -euo pipefail
source_dir=$(realpath "$1")
build_dir=$2
pattern=${3:-.}
cd "$source_dir"
[ -f "$build_dir/compile_commands.json" ] || cmake --preset clang >/dev/null
git ls-files '*.cpp' | grep -vE '^tests/(compile|guests)/' | grep -E "$pattern" |
    xargs -P "$(nproc)" -n 4 clang-tidy -p "$build_dir" --quiet

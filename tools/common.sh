#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What ./test, ./demo and ./bench share: the packages, a build of one preset, readable progress. Sourced, never run; trusts the checkout
# it lies in and nothing else.

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
started=$SECONDS

say() { printf '== %4ds  %s\n' "$((SECONDS - started))" "$*"; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 2
}

# Installs what tools/packages.txt names and the machine lacks; silent when nothing is missing.
ensure_packages() {
    local wanted missing root=()
    wanted=$(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$source_dir/tools/packages.txt")
    # shellcheck disable=SC2086
    missing=$(comm -23 <(sort -u <<<"$wanted") \
        <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $wanted 2>/dev/null |
            sed -n 's/ installed$//p' | sort -u))
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || die "these packages are missing and there is no apt-get: $(echo $missing)"
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    say "installing $(wc -l <<<"$missing") packages: $(echo $missing)"
    mkdir -p "$source_dir/build"
    local log=$source_dir/build/apt.log
    # shellcheck disable=SC2086
    { "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q update &&
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qy --no-install-recommends install $missing; } \
        >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        die "apt-get failed; all of its output is in $log"
    }
}

# build PRESET [TARGET...]: configures once, builds, prints a line each tenth of the way; on failure what failed.
build() {
    local preset=$1 log=$source_dir/build/$1/build.log options=() targets=()
    shift
    mkdir -p "$source_dir/build/$preset"
    command -v ccache >/dev/null && options=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
    [ $# -eq 0 ] || targets=(--target "$@")
    say "building '$preset'${*:+: $*}"
    if ! (cd "$source_dir" && cmake --preset "$preset" "${options[@]}") >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        die "cmake --preset $preset failed"
    fi
    if ! cmake --build "$source_dir/build/$preset" "${targets[@]}" 2>&1 | tee -a "$log" |
        awk -F'[][/]' '/^\[[0-9]+\/[0-9]+\]/ { tenth = int(10 * $2 / $3)
            if (tenth > last) { last = tenth; printf "           %3d%% of %d steps\n", tenth * 10, $3; fflush() } }'; then
        grep -E -A 25 '^FAILED|error:|ninja: error' "$log" | head -n 80 >&2
        die "the build '$preset' failed; all of its output is in $log"
    fi
}

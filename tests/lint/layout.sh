#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The rules of the house that a script can see: an SPDX line in each source file, no file over 600 lines, no folder with more
# than 30 sources, a README in each room, and nothing of a particular machine. Usage: layout.sh SOURCE_DIR; exit 1 names each breach.
set -euo pipefail
cd "$1"
breaches=0
breach() { echo "layout: $*"; breaches=$((breaches + 1)); }

if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    mapfile -t files < <(git ls-files --cached --others --exclude-standard)
else
    mapfile -t files < <(find . -type f -not -path './build/*' -not -path './out/*' | sed 's|^\./||')
fi

for file in "${files[@]}"; do
    [ -f "$file" ] || continue
    case "$file" in
    *.cpp | *.hpp | *.S | *.sh | *.cmake | *.lds | CMakeLists.txt | */CMakeLists.txt | demo | test | bench | .ci/run)
        head -n 3 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || breach "$file has no SPDX line"
        lines=$(wc -l <"$file")
        [ "$lines" -le 600 ] || breach "$file has $lines lines, at most 600"
        ;;
    esac
    case "$file" in
    tests/fuzz/corpus/* | *.bin | tests/lint/layout.sh) ;;
    *) if grep -IqE '/work/|/root/|/tmp/brief' "$file"; then breach "$file names a path of one machine"; fi ;;
    esac
done

while read -r count folder; do
    [ "$count" -le 30 ] || breach "$folder is a drawer: $count sources"
done < <(printf '%s\n' "${files[@]}" | grep -E '\.(cpp|hpp|S)$' | xargs -r -n1 dirname | sort | uniq -c)

while read -r room; do
    [ -f "$room/README.md" ] || breach "$room has no README.md"
done < <(printf '%s\n' "${files[@]}" | grep -E '^(lib|hv|tools)/[^/]+/CMakeLists.txt$|^(iommu|attest|hv|tests/system)/CMakeLists.txt$' | xargs -r -n1 dirname)

if [ "$breaches" -gt 0 ]; then
    echo "layout: $breaches breaches"
    exit 1
fi
echo "layout: ${#files[@]} files in order"

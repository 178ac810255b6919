#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every C++ file is as clang-format leaves it. Usage: format.sh SOURCE_DIR; to mend: clang-format -i FILE.
set -euo pipefail
cd "$1"
git ls-files --cached --others --exclude-standard '*.cpp' '*.hpp' | while read -r f; do [ -f "$f" ] && echo "$f"; done |
    xargs clang-format --dry-run -Werror

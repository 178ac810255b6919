#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Writes the symbol table of a linked image as assembly: sorted addresses of its functions, and their names.
# Usage: symbols.sh NM ELF OUTPUT.S; an ELF of "-" writes the empty table of the first link pass.
set -euo pipefail
nm=$1
elf=$2
out=$3
{
    echo '# SPDX-License-Identifier: Apache-2.0'
    echo '    .section .symbols, "a", @progbits'
    echo '    .balign 8'
    echo '    .globl ravelin_symbol_count, ravelin_symbols, ravelin_symbol_names'
    if [ "$elf" = - ]; then
        printf 'ravelin_symbol_count: .long 0\nravelin_symbols:\nravelin_symbol_names: .byte 0\n'
    else
        LC_ALL=C "$nm" --defined-only "$elf" | LC_ALL=C grep -i ' t ' | LC_ALL=C sort | "${CXXFILT:-c++filt}" |
            awk 'BEGIN { n = 0 } {
                address = $1; $1 = ""; $2 = ""; sub(/^ +/, ""); gsub(/["\\]/, ""); gsub(/\(anonymous namespace\)::/, "");
                if (address == before) next;
                before = address;
                sub(/\(.*/, "");
                a[n] = substr(address, 9); name[n] = $0; n++;
            } END {
                printf "ravelin_symbol_count: .long %d\n    .balign 4\nravelin_symbols:\n", n;
                offset = 0;
                for (i = 0; i < n; i++) { printf "    .long 0x%s, %d\n", a[i], offset; offset += length(name[i]) + 1; }
                print "ravelin_symbol_names:";
                for (i = 0; i < n; i++) printf "    .asciz \"%s\"\n", name[i];
            }'
    fi
    echo '    .section .note.GNU-stack, "", @progbits'
} >"$out.new"
mv "$out.new" "$out"

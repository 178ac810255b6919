/* SPDX-License-Identifier: Apache-2.0 */
/* A multiboot2 kernel's header and entry: a stack, then payload_main(magic, information). */
    .code32
    .section .header, "a"
    .balign 8
header:
    .long 0xe85250d6, 0, header_end - header, -(0xe85250d6 + (header_end - header))
    .balign 8
    .short 0, 0
    .long 8
header_end:
    .text
    .globl _start
_start:
    mov $stack_end, %esp
    push %ebx
    push %eax
    call payload_main
1:  hlt
    jmp 1b
    .bss
    .balign 16
    .skip 16384
stack_end:
    .section .note.GNU-stack, "", @progbits

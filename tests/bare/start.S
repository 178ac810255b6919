/* SPDX-License-Identifier: Apache-2.0
 * Multiboot 1 to long mode: identity map of 4 GiB, GDT with a TSS (VMSAVE wants a task register), then bare_main(EBX). */
#include <support/long_mode.inc>

    .section .multiboot, "a"
    .balign 4
    .long 0x1badb002, 0x3, -(0x1badb002 + 0x3)

    .text
    .code32
    .global start
start:
    cld
    movl $stack_top, %esp
    movl %ebx, %ebp
    movl $task_state, %eax
    movw %ax, gdt + 0x1a
    shrl $16, %eax
    movb %al, gdt + 0x1c
    movb %ah, gdt + 0x1f
    enter_long_mode start64, 3, 0
    .code64
start64:
    movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw $0x18, %ax
    ltr %ax
    movl %ebp, %edi
    call bare_main
3:  hlt
    jmp 3b

    .data
    .balign 8
gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
    .quad 0x0000890000000067
    .quad 0
gdt_pointer:
    .word . - gdt - 1
    .quad gdt
    .bss
    .balign 4096
page_tables: .skip 6 * 4096
task_state: .skip 104
    .balign 16
stack: .skip 65536
stack_top:
    .section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: Apache-2.0
 * Multiboot 1 to long mode: identity map of 4 GiB, GDT with a TSS (VMSAVE wants a task register), then bare_main(EBX). */
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
    movl $(page_tables + 0x1003), page_tables
    movl $page_tables + 0x2003, %eax
    movl $(page_tables + 0x1000), %edi
    movl $4, %ecx
1:  movl %eax, (%edi)
    addl $0x1000, %eax
    addl $8, %edi
    loop 1b
    movl $(page_tables + 0x2000), %edi
    movl $0x83, %eax
    movl $2048, %ecx
2:  movl %eax, (%edi)
    addl $0x200000, %eax
    addl $8, %edi
    loop 2b
    movl $page_tables, %eax
    movl %eax, %cr3
    movl $0x20, %eax
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    movl $0x100, %eax
    xorl %edx, %edx
    wrmsr
    movl $0x80000011, %eax
    movl %eax, %cr0
    movl $task_state, %eax
    movw %ax, gdt + 0x1a
    shrl $16, %eax
    movb %al, gdt + 0x1c
    movb %ah, gdt + 0x1f
    lgdt gdt_pointer
    ljmp $0x08, $start64
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

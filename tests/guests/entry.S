/* SPDX-License-Identifier: Apache-2.0
 * PVH entry (32-bit protected mode, paging off, EBX = start_info) to long mode, and the exception stubs.
 * The ELF note is XEN_ELFNOTE_PHYS32_ENTRY of Xen's public/elfnote.h. */
#include <support/long_mode.inc>

    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 4, 18
    .asciz "Xen"
    .long guest_start32

    .text
    .code32
    .global guest_start32
guest_start32:
    cld
    movl $stack_top, %esp
    movl %ebx, start_info_address
    enter_long_mode guest_start64, 7, 0x800 /* NXE */

    .code64
guest_start64:
    movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl $stack_top, %esp
    lidt idt_pointer
    call guest_main_wrapper
3:  hlt
    jmp 3b

    /* One stub a vector: vector and error code on the stack, then the common part. */
    .altmacro
    .macro exception_stub vector
    .balign 16
    .if (\vector == 8) || (\vector >= 10 && \vector <= 14) || (\vector == 17) || (\vector == 21)
    .else
    pushq $0
    .endif
    pushq $\vector
    jmp exception_common
    .endm
    .global exception_stubs
    .balign 16
exception_stubs:
    .set vector, 0
    .rept 32
    exception_stub %vector
    .set vector, vector + 1
    .endr

exception_common:
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    leaq 72(%rsp), %rdi         /* vector, error code, RIP, CS, RFLAGS */
    call guest_exception
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rax
    addq $16, %rsp
    iretq

    .data
    .balign 8
gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
gdt_pointer:
    .word . - gdt - 1
    .quad gdt
idt_pointer:
    .word 256 * 16 - 1
    .quad interrupt_table
    .global start_info_address
start_info_address:
    .long 0

    .bss
    .balign 4096
page_tables: .skip 6 * 4096
    .global interrupt_table
interrupt_table: .skip 256 * 16
stack: .skip 16384
stack_top:
    .section .note.GNU-stack, "", @progbits

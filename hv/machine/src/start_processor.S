# SPDX-License-Identifier: Apache-2.0
# The first instructions of every CPU but the boot CPU: real mode in a page below 1 MiB, then at once long mode on the boot tables,
# then the image's code. Position-independent up to the far jump: it runs from a copy. [AMD APM vol2 14.1, 15.27.8] [SDM vol3 9.4.4]
    .section .rodata.trampoline, "a", @progbits
    .globl ravelin_trampoline, ravelin_trampoline_end, ravelin_trampoline_tables
    .balign 16
    .code16
ravelin_trampoline:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    lgdtl trampoline_gdtr - ravelin_trampoline
    movl ravelin_trampoline_tables - ravelin_trampoline, %eax
    movl %eax, %cr3
    movl $0x20, %eax                # CR4.PAE
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x900, %eax                # EFER.LME, EFER.NXE
    wrmsr
    movl $0x80010011, %eax          # PG, WP, ET, PE; CD and NW of the INIT state clear
    movl %eax, %cr0
    ljmpl $0x08, $processor_entry
    .balign 8
ravelin_trampoline_tables:
    .long 0
trampoline_gdtr:
    .word 23
    .long start_gdt
ravelin_trampoline_end:

    .section .rodata.start_gdt, "a", @progbits
    .balign 8
start_gdt:                          # accessed bits set: nothing writes here
    .quad 0
    .quad 0x00af9b000000ffff        # 0x08 code, 64 bits
    .quad 0x00cf93000000ffff        # 0x10 data

    .text
    .code64
processor_entry:
    movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    movq ravelin_start_tables(%rip), %rax
    movq %rax, %cr3
    movq ravelin_start_stack(%rip), %rsp
    xorl %ebp, %ebp
    pushq $0                        # the backtrace ends here
    pushq $0
    movq %rsp, %rbp
    movq ravelin_start_processor(%rip), %rdi
    call ravelin_processor_main
0:  hlt
    jmp 0b
    .section .note.GNU-stack, "", @progbits

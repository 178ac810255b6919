# SPDX-License-Identifier: Apache-2.0
# From the reset vector to long mode in a ROM at 0xf0000: GDT, page tables in low RAM, TSS, IDT, stack, then run_micro_test().
    .set page_tables, 0x10000       # PML4, PDPT, PD
    .set stack_top, 0x90000

    .section .vector, "ax", @progbits
    .globl reset_vector
    .code16
reset_vector:
    ljmpw $0xf000, $(start16 - 0xf0000)

    .section .text.start16, "ax", @progbits
    .code16
start16:
    cli
    movw $0xf000, %ax
    movw %ax, %ds
    lgdtl (gdtr - 0xf0000)
    movl $0x11, %eax                # PE, ET; clears CD and NW
    movl %eax, %cr0
    ljmpl $0x08, $start32

    .code32
start32:
    movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    xorl %eax, %eax
    movl $page_tables, %edi
    movl $(3 * 1024), %ecx
    cld
    rep stosl
    movl $(page_tables + 0x1003), page_tables
    movl $(page_tables + 0x2003), page_tables + 0x1000
    movl $(page_tables + 0x2000), %edi
    movl $0x83, %eax                # present, writable, 2 MiB
    movl $512, %ecx
1:  movl %eax, (%edi)
    addl $0x200000, %eax
    addl $8, %edi
    loop 1b
    movl $page_tables, %eax
    movl %eax, %cr3
    movl $0x20, %eax                # PAE
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    movl $0x100, %eax               # LME
    xorl %edx, %edx
    wrmsr
    movl $0x80000011, %eax
    movl %eax, %cr0
    ljmpl $0x18, $start64

    .code64
start64:
    movl $stack_top, %esp
    movl $data_start, %edi
    movl $data_load, %esi
    movl $data_end, %ecx
    subl %edi, %ecx
    rep movsb
    movl $bss_start, %edi
    movl $bss_end, %ecx
    subl %edi, %ecx
    xorl %eax, %eax
    rep stosb
    # The GDT in RAM, because LTR writes the busy bit.
    movl $gdt, %esi
    movl $ram_gdt, %edi
    movl $(gdt_end - gdt), %ecx
    rep movsb
    movl $task_state, %eax          # base bits 31:0 of the TSS descriptor
    movw %ax, ram_gdt + 0x22
    shrl $16, %eax
    movb %al, ram_gdt + 0x24
    movb %ah, ram_gdt + 0x27
    lgdt ram_gdtr
    movw $0x20, %ax
    ltr %ax
    # All vectors to one handler.
    movl $interrupt_table, %edi
    movl $256, %ecx
    movl $unexpected, %eax
2:  movw %ax, (%rdi)
    movw $0x18, 2(%rdi)
    movw $0x8e00, 4(%rdi)
    movl %eax, %edx
    shrl $16, %edx
    movw %dx, 6(%rdi)
    movq $0, 8(%rdi)
    addq $16, %rdi
    loop 2b
    lidt interrupt_table_register
    call run_micro_test
    hlt
unexpected:
    call unexpected_interrupt
    hlt

    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff        # 0x08 code 32
    .quad 0x00cf93000000ffff        # 0x10 data
    .quad 0x00af9b000000ffff        # 0x18 code 64
    .quad 0x0000890000000067        # 0x20 TSS, base filled in
    .quad 0
gdt_end:
gdtr:
    .word gdt_end - gdt - 1
    .long gdt

    .data
    .balign 8
ram_gdtr:
    .word gdt_end - gdt - 1
    .quad ram_gdt
interrupt_table_register:
    .word 256 * 16 - 1
    .quad interrupt_table
    .bss
    .balign 16
ram_gdt: .skip 48
task_state: .skip 104
    .balign 16
interrupt_table: .skip 4096
    .section .note.GNU-stack, "", @progbits

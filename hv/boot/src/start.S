# SPDX-License-Identifier: Apache-2.0
# The entries: multiboot 1 and 2 (32-bit protected mode, paging off) and multiboot 2's EFI64 entry (64-bit, firmware's tables, boot
# services running). All end in ravelin_start(magic, information) in long mode, on the boot stack and the boot page tables, which map
# the first 4 GiB at 0 and at the direct map's base. [Multiboot 0.6.96 3.1, 3.2] [Multiboot2 2.0 3.1-3.5]
    .set multiboot2_magic, 0xe85250d6
    .set direct_map_slot, 256       # of the PML4: 0xffff800000000000

    .section .multiboot, "a", @progbits
    .balign 8
multiboot1_header:
    .long 0x1badb002
    .long 3                         # modules on page boundaries, memory information
    .long -(0x1badb002 + 3)
    .balign 8
multiboot2_header:
    .long multiboot2_magic
    .long 0
    .long multiboot2_header_end - multiboot2_header
    .long -(multiboot2_magic + (multiboot2_header_end - multiboot2_header))
    .balign 8
    .word 6, 0                      # modules on page boundaries
    .long 8
    .balign 8
    .word 7, 0                      # keep EFI boot services
    .long 8
    .balign 8
    .word 9, 0                      # EFI64 entry
    .long 12
    .long ravelin_entry_efi64
    .balign 8
    .word 0, 0
    .long 8
multiboot2_header_end:

    .section .text.entry, "ax", @progbits
    .code32
    .globl ravelin_entry32
ravelin_entry32:
    cli
    cld
    movl %eax, %edi                 # magic
    movl %ebx, %esi                 # information
    movl $boot_pml4, %eax
    movl %eax, %cr3
    movl $0x20, %eax                # CR4.PAE alone: no FPU, no SSE in here
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x900, %eax                # EFER.LME, EFER.NXE
    wrmsr
    movl $0x80010011, %eax          # PG, WP, ET, PE; CD and NW clear
    movl %eax, %cr0
    lgdt boot_gdtr
    ljmpl $0x08, $long_mode

    .code64
long_mode:
    movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    movabsq $boot_stack_top, %rsp
    xorl %ebp, %ebp
    pushq $0                        # the backtrace ends here
    pushq $0
    movq %rsp, %rbp
    movl %edi, %edi
    movl %esi, %esi
    call ravelin_start
0:  hlt
    jmp 0b

    .globl ravelin_entry_efi64
ravelin_entry_efi64:
    cld
    movl %eax, %r12d                # magic
    movl %ebx, %r13d                # information
    movabsq $boot_stack_top, %rsp
    xorl %ebp, %ebp
    movl %r13d, %edi
    call ravelin_efi_leave_firmware # returns when boot services are over
    cli
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x900, %eax
    wrmsr
    movl $boot_pml4, %eax
    movq %rax, %cr3
    movl $0x20, %eax
    movq %rax, %cr4
    movl $0x80010011, %eax
    movq %rax, %cr0
    lgdt boot_gdtr
    movl %r12d, %edi
    movl %r13d, %esi
    pushq $0x08
    pushq $long_mode
    lretq

    .section .data.boot_tables, "aw", @progbits
    .balign 4096
    .globl boot_pml4
boot_pml4:
    .quad boot_pdpt + 3
    .fill direct_map_slot - 1, 8, 0
    .quad boot_pdpt + 3
    .fill 512 - direct_map_slot - 1, 8, 0
boot_pdpt:
    .quad boot_pd + 3, boot_pd + 0x1003, boot_pd + 0x2003, boot_pd + 0x3003
    .fill 508, 8, 0
boot_pd:
    .set address, 0
    .rept 2048
    .quad address + 0x83            # present, writable, 2 MiB
    .set address, address + 0x200000
    .endr
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff        # 0x08 code, 64 bits
    .quad 0x00cf93000000ffff        # 0x10 data
boot_gdtr:
    .word 23
    .quad boot_gdt

    .section .bss.boot_stack, "aw", @nobits
    .balign 4096
    .skip 32768
    .globl boot_stack_top
boot_stack_top:
    .section .note.GNU-stack, "", @progbits

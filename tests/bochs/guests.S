# SPDX-License-Identifier: Apache-2.0
# The micro-tests' guests. Each runs at 1000h of its own memory, in 32-bit protected mode unless it says so; VMCALL with a number in
# EBX is a mark that the test waits for.
    .section .rodata.guests, "a", @progbits
    .macro mark number
    movl $\number, %ebx
    vmcall
    .endm
    .macro program label
    .balign 16
    .globl \label
\label:
    .set origin, \label - 0x1000
    .code32
    .endm
    .macro end label
    .globl \label\()_end
\label\()_end:
    .endm

# Every kind of exit once.
program guest_exits
    movl $0x40000000, %eax
    cpuid
    addl $1, %ebx
    movb $0x5a, %al
    outb %al, $0x80
    movl 0x5000, %eax               # a hole at first
    addl %eax, %ebx
    vmcall
    ud2
    hlt
    vmxoff
    hlt
end guest_exits

# Touches memory in each way.
program guest_touch
    movl $0x9000, %esp
    movl 0x5000, %eax               # read
    mark 1
    movl $0x77, 0x5008              # write
    mark 2
    movl $0x5100, %eax              # execute: the page holds VMCALL
    call *%eax
    mark 4
    # Paging with a directory at 6000h and a table at 7000h that maps the first 64 KiB.
    movl $0x6000, %eax
    movl %eax, %cr3
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
    movl 0x3000, %eax               # a read through page tables
    mark 5
    movl $1, 0x3000                 # sets the dirty bit in the table
    mark 6
1:  movl 0x3000, %eax               # over and over: what does the CPU keep?
    mark 7
    jmp 1b
end guest_touch

# Interrupts and exceptions of its own.
    .macro gate label
    .word \label - origin, 8, 0x8e00, 0
    .endm
program guest_events
    lgdtl events_gdtr - origin
    lidtl events_idtr - origin
    movl $0x8000, %esp
    mark 1
    nop
    mark 2                          # the host injects #GP(1230h) at the NOP
    nop
    mark 3                          # an interrupt is waiting; IF is clear
    sti
    nop                             # in the shadow of STI
events_after_shadow:
    nop
    cli
    mark 4
    sti
    nop
    movl $0x3ff8, %esp              # the next interrupt's frame is in a page that is not there
    mark 5
    nop
    movl $0x8000, %esp
    mark 6                          # an NMI
    nop
    mark 7
    int $0x41                       # its gate works; the frame goes to a hole once
    mark 8
    pushfl
    orl $0x100, (%esp)              # TF: #DB after the instruction behind POPF
    popfl
    nop
    nop
    mark 9
    .byte 0xf1                      # INT1
    mark 10
    ud2
    hlt
events_debug:
    movl %dr6, %eax
    movl $0xd1, %ebx
    vmcall
    andl $~0x100, 8(%esp)
    iretl
events_nmi:
    mark 0xd2
    iretl
events_undefined:
    mark 0xd6
    addl $2, (%esp)
    iretl
events_protection:
    popl %eax                       # the error code
    mark 0xdd
    iretl
events_interrupt:
    movl (%esp), %eax
    mark 0xe0
    iretl
events_software:
    movl (%esp), %eax
    mark 0xe1
    iretl
    .balign 8
events_gdt:
    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
events_gdtr:
    .word 23
    .long events_gdt - origin
events_idtr:
    .word 0x42 * 8 - 1
    .long events_idt - origin
    .balign 8
events_idt:
    .quad 0
    gate events_debug
    gate events_nmi
    .quad 0, 0, 0
    gate events_undefined
    .fill 6, 8, 0
    gate events_protection
    .fill 0x40 - 14, 8, 0
    gate events_interrupt
    gate events_software
    .globl guest_events_after_shadow
    .set guest_events_after_shadow, events_after_shadow - origin
end guest_events

# Never leaves by itself. ESI counts.
program guest_spin
    mark 1
1:  incl %esi
    jmp 1b
    sti                             # +11
1:  incl %esi
    jmp 1b
end guest_spin

# Control registers: what the host owns looks as the guest wrote it.
program guest_registers
    movl %cr0, %eax
    mark 1                          # EAX: CR0 as it begins
    orl $0x60000000, %eax           # CD, NW
    movl %eax, %cr0
    movl %cr0, %eax
    mark 2
    movl $0x20000011, %eax          # NW without CD: #GP
    movl %eax, %cr0
    mark 3                          # the host has stepped over it
    movl $0x31, %eax                # NE
    movl %eax, %cr0
    movl %cr0, %eax
    mark 4
    movl $0x2000, %eax              # CR4.VMXE: #GP
    movl %eax, %cr4
    mark 5
    movl $0x20, %eax                # PAE
    movl %eax, %cr4
    movl %cr4, %eax
    mark 6
    # To long mode; the host owns EFER, CR3 is set up by the host.
    movl $0xc0000080, %ecx
    movl $0x100, %eax
    xorl %edx, %edx
    wrmsr
    movl $0x6000, %eax
    movl %eax, %cr3
    movl $0xe0000011, %eax          # PG, PE and, at once, CD and NW: exits, and then is done by the CPU
    movl %eax, %cr0
    lgdtl registers_gdtr - origin
    ljmpl $8, $(registers_long - origin)
    .code64
registers_long:
    movq %cr0, %rax
    mark 7
    movl $0xc0000102, %ecx          # KERNEL_GS_BASE: without an exit
    movl $0x1234, %eax
    xorl %edx, %edx
    wrmsr
    xorl %eax, %eax
    rdmsr
    mark 8
    movq $9, %rax
    movq %rax, %cr8                 # without an exit
    mark 9
    hlt
    .balign 8
registers_gdt:
    .quad 0, 0x00af9b000000ffff
registers_gdtr:
    .word 15
    .long registers_gdt - origin
end guest_registers

# Real mode, where a start-up IPI would put it.
    .balign 16
    .globl guest_real
guest_real:
    .code16
    movw %cs, %ax
    movw $1, %bx
    vmcall
    movw $0x1000, %dx
    inb %dx, %al
    hlt
    .globl guest_real_end
guest_real_end:
    .section .note.GNU-stack, "", @progbits

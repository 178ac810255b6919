# SPDX-License-Identifier: Apache-2.0
# 256 interrupt stubs of 16 bytes; each makes the frame the same shape (error code, vector) and goes to ravelin_interrupt().
    .section .text.interrupt_stubs, "ax", @progbits
    .balign 16
    .globl ravelin_interrupt_stubs
ravelin_interrupt_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    # Vectors 8, 10-14, 17, 21, 29 and 30 push an error code. [AMD APM vol2 8.2]
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
    pushq $0
    .endif
    pushq $vector
    jmp common
    .set vector, vector + 1
    .endr

common:
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rbx
    pushq %rbp
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, %rdi
    cld
    movq %rsp, %rbx
    andq $-16, %rsp
    call ravelin_interrupt
    movq %rbx, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rbp
    popq %rbx
    popq %rdx
    popq %rcx
    popq %rax
    addq $16, %rsp
    iretq
    .section .note.GNU-stack, "", @progbits

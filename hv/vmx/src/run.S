# SPDX-License-Identifier: Apache-2.0
# The VMX world switch: general registers by hand, everything else by the VMCS. [SDM vol3 27, 28]
# u64 ravelin_vmx_run(u64 registers[16], u64 launched)
#   rdi: the guest's registers in encoding order (RSP's slot is not used, the VMCS has it); rsi: 0 VMLAUNCH, else VMRESUME
#   rax: 0 the guest ran and exited; 1 VMfailInvalid; 2 VMfailValid
    .section .text.ravelin_vmx_run, "ax", @progbits
    .globl ravelin_vmx_run
    .type ravelin_vmx_run, @function
ravelin_vmx_run:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rdi                      # found again at exit: HOST_RSP points here
    movl $0x6c14, %eax              # HOST_RSP [SDM vol3 B.4.4]
    vmwrite %rsp, %rax
    jbe .Lvmwrite_failed
    testq %rsi, %rsi                # decides below; MOV leaves the flags alone
    movq 0x00(%rdi), %rax
    movq 0x08(%rdi), %rcx
    movq 0x10(%rdi), %rdx
    movq 0x18(%rdi), %rbx
    movq 0x28(%rdi), %rbp
    movq 0x30(%rdi), %rsi
    movq 0x40(%rdi), %r8
    movq 0x48(%rdi), %r9
    movq 0x50(%rdi), %r10
    movq 0x58(%rdi), %r11
    movq 0x60(%rdi), %r12
    movq 0x68(%rdi), %r13
    movq 0x70(%rdi), %r14
    movq 0x78(%rdi), %r15
    movq 0x38(%rdi), %rdi
    jz .Llaunch
    vmresume
    jmp .Lentry_failed
.Llaunch:
    vmlaunch
.Lentry_failed:                     # only a failed entry falls through: CF or ZF is set
    movl $1, %eax
    jc .Lreturn
    movl $2, %eax
    jmp .Lreturn
.Lvmwrite_failed:
    movl $1, %eax
.Lreturn:
    popq %rdi
.Lrestore:
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret

    .globl ravelin_vmx_exit         # HOST_RIP
    .type ravelin_vmx_exit, @function
ravelin_vmx_exit:
    xchgq %rdi, (%rsp)
    movq %rax, 0x00(%rdi)
    movq %rcx, 0x08(%rdi)
    movq %rdx, 0x10(%rdi)
    movq %rbx, 0x18(%rdi)
    movq %rbp, 0x28(%rdi)
    movq %rsi, 0x30(%rdi)
    movq %r8, 0x40(%rdi)
    movq %r9, 0x48(%rdi)
    movq %r10, 0x50(%rdi)
    movq %r11, 0x58(%rdi)
    movq %r12, 0x60(%rdi)
    movq %r13, 0x68(%rdi)
    movq %r14, 0x70(%rdi)
    movq %r15, 0x78(%rdi)
    popq %rax                       # the guest's RDI
    movq %rax, 0x38(%rdi)
    xorl %eax, %eax
    jmp .Lrestore
    .size ravelin_vmx_run, . - ravelin_vmx_run
    .section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: Apache-2.0
 * The world switch: host to guest and back. [AMD APM vol2 15.5, 15.17]
 *
 * void svm_world_switch(GeneralRegisters* rdi, u64 guest_vmcb rsi, u64 host_vmcb rdx)
 *
 * Called with GIF set and RFLAGS.IF clear; returns likewise. Between CLGI and VMRUN nothing is taken;
 * IF is set there so that, with V_INTR_MASKING, a physical interrupt ends the guest's run. After
 * #VMEXIT GIF is clear, so nothing runs on the guest's FS, GS, TR and LDTR before the host's are
 * back (VMSAVE, VMLOAD). RAX and RSP of the guest travel in the VMCB. Nothing reads the next RIP.
 */
    .intel_syntax noprefix
    .text
    .global svm_world_switch
    .type svm_world_switch, @function
svm_world_switch:
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    push rdi                    /* [rsp+16] registers */
    push rdx                    /* [rsp+8]  host VMCB */
    sub rsp, 8                  /* [rsp]    guest RDI after the exit */

    mov rax, rsi
    clgi
    sti
    vmload
    mov rcx, [rdi + 8]
    mov rdx, [rdi + 16]
    mov rbx, [rdi + 24]
    mov rbp, [rdi + 40]
    mov rsi, [rdi + 48]
    mov r8, [rdi + 64]
    mov r9, [rdi + 72]
    mov r10, [rdi + 80]
    mov r11, [rdi + 88]
    mov r12, [rdi + 96]
    mov r13, [rdi + 104]
    mov r14, [rdi + 112]
    mov r15, [rdi + 120]
    mov rdi, [rdi + 56]

    vmrun                       /* RAX, RSP and RIP are the host's again after the exit */

    vmsave
    mov [rsp], rdi
    mov rax, [rsp + 8]
    vmload
    mov rdi, [rsp + 16]
    mov [rdi + 8], rcx
    mov [rdi + 16], rdx
    mov [rdi + 24], rbx
    mov [rdi + 40], rbp
    mov [rdi + 48], rsi
    mov [rdi + 64], r8
    mov [rdi + 72], r9
    mov [rdi + 80], r10
    mov [rdi + 88], r11
    mov [rdi + 96], r12
    mov [rdi + 104], r13
    mov [rdi + 112], r14
    mov [rdi + 120], r15
    mov rcx, [rsp]
    mov [rdi + 56], rcx
    cli
    stgi

    add rsp, 24
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    cld
    ret
    .size svm_world_switch, . - svm_world_switch
    .section .note.GNU-stack, "", @progbits

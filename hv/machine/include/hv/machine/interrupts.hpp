// SPDX-License-Identifier: Apache-2.0
// Interrupts and exceptions of the hypervisor itself. It runs with interrupts disabled; they are
// taken while a guest runs (and then on the way out) or in service_pending(). An exception of our
// own is a bug and ends in a panic.
#pragma once

#include <base/types.hpp>

namespace ravelin::hv::machine {

/// What the stubs leave on the stack.
struct InterruptFrame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    u64 vector;
    u64 error_code;
    u64 rip, cs, rflags, rsp, ss;
};

constexpr Vector first_device_vector{0x20};
constexpr Vector last_device_vector{0xef};
constexpr Vector timer_vector{0xf0};
constexpr Vector kick_vector{0xf1};
constexpr Vector error_vector{0xfe};
constexpr Vector spurious_vector{0xff};

/// Called with interrupts disabled, before the EOI that the dispatcher sends.
using InterruptHandler = void (*)(Vector vector, void* context);

/// Registers who handles a vector from 0x20 on. Context: any CPU; the entry is replaced atomically
/// enough for a vector that no device uses yet.
void register_interrupt(Vector vector, InterruptHandler handler, void* context);

/// Builds the IDT. Context: boot CPU, once.
void prepare_interrupt_table();
/// Loads it. Context: each CPU.
void load_interrupt_table();

/// Takes the interrupts that are pending now. Context: interrupts disabled, no lock held.
inline void service_pending() {
    // SAFETY: handlers are registered and the stack is the CPU's own; one instruction with
    // interrupts on takes what is pending.
    asm volatile("sti; nop; cli" ::: "memory");
}
/// Sleeps until an interrupt was handled. STI's shadow covers HLT, so that none is lost in between.
inline void wait_for_interrupt() {
    // SAFETY: as service_pending().
    asm volatile("sti; hlt; cli" ::: "memory");
}

} // namespace ravelin::hv::machine

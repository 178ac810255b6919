// SPDX-License-Identifier: Apache-2.0
// One physical CPU: its number, its descriptor tables, its stacks. Reached through GS, so that each
// CPU finds its own.
#pragma once

#include <base/types.hpp>

#include <array>
#include <atomic>
#include <optional>

namespace ravelin::hv::machine {

/// 64-bit task state: only its stack pointers are used. [AMD APM vol2 12.2.5]
struct [[gnu::packed]] TaskState {
    u32 reserved0{};
    std::array<u64, 3> rsp{};
    u64 reserved1{};
    std::array<u64, 7> ist{};
    u64 reserved2{};
    u16 reserved3{};
    u16 io_map{sizeof(TaskState)};
};
static_assert(sizeof(TaskState) == 104);

constexpr u16 code_selector = 0x08;
constexpr u16 data_selector = 0x10;
constexpr u16 task_selector = 0x18;
constexpr usize interrupt_stack_count = 3; ///< double fault, NMI, machine check
constexpr usize max_cpus = 64;

/// Written by its own CPU, but for `online`, which the boot CPU waits for.
struct alignas(64) Processor {
    Processor* self{this}; ///< at GS:0
    CpuId id{};
    ApicId apic_id{};
    HostVirtual stack_top{};
    std::array<u64, 5> gdt{};
    TaskState task_state{};
    std::optional<u64> timer_deadline{}; ///< TSC; its own CPU only
    std::atomic<bool> online{false};
};

/// Loads GDT, TSS and GS base of a processor whose stacks are set. Context: that CPU, interrupts
/// off.
void load_processor(Processor& processor);

/// The CPU this runs on. Precondition: load_processor() has run here.
[[nodiscard]] inline Processor& this_processor() {
    Processor* self = nullptr;
    // SAFETY: GS base points at the Processor of this CPU, whose first member is its own address.
    asm volatile("mov %%gs:0, %0" : "=r"(self));
    return *self;
}

} // namespace ravelin::hv::machine

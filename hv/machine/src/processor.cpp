// SPDX-License-Identifier: Apache-2.0
// Descriptor tables of one CPU. [AMD APM vol2 4.8]
#include "hv/machine/processor.hpp"

#include "hv/machine/instructions.hpp"

namespace ravelin::hv::machine {
namespace {

constexpr u32 msr_fs_base = 0xc0000100;
constexpr u32 msr_gs_base = 0xc0000101;
constexpr u64 code_descriptor = 0x00af9b000000ffff;
constexpr u64 data_descriptor = 0x00cf93000000ffff;
constexpr u64 available_task_state = u64{0x89} << 40;

} // namespace

void load_processor(Processor& processor) {
    // SAFETY: the address of a member.
    const u64 task = reinterpret_cast<u64>(&processor.task_state);
    processor.gdt = {0,
                     code_descriptor,
                     data_descriptor,
                     (sizeof(TaskState) - 1) | (task & 0xffffff) << 16 | available_task_state |
                         ((task >> 24) & 0xff) << 56,
                     task >> 32};
    struct [[gnu::packed]] {
        u16 limit;
        u64 base;
        // SAFETY: the table's own address.
    } const pointer{sizeof(processor.gdt) - 1, reinterpret_cast<u64>(processor.gdt.data())};
    // SAFETY: the new table has the running selectors at the same places; LTR marks the TSS busy in
    // it.
    asm volatile("lgdt %0\n\t"
                 "mov %1, %%ds\n\t"
                 "mov %1, %%es\n\t"
                 "mov %1, %%ss\n\t"
                 "ltr %w2" ::"m"(pointer),
                 "r"(u32{data_selector}),
                 "r"(u32{task_selector})
                 : "memory");
    write_msr(msr_fs_base, 0);
    // SAFETY: the address of the processor itself.
    write_msr(msr_gs_base, reinterpret_cast<u64>(&processor));
}

} // namespace ravelin::hv::machine

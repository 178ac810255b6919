// SPDX-License-Identifier: Apache-2.0
// Bringing CPUs up with what only start-up knows: memory and the firmware's list.
#include "processors.hpp"

#include "measured.hpp"
#include "memory.hpp"
#include "refuse.hpp"

#include <hv/machine/console.hpp>
#include <hv/machine/interrupts.hpp>
#include <hv/machine/local_apic.hpp>
#include <hv/machine/processors.hpp>

extern "C" const ravelin::u8 boot_pml4[];

namespace ravelin::hv {
namespace {

using machine::log;

HostVirtual stack() {
    const auto made = make_stack();
    if (!made)
        refuse("stacks", text(made.error()));
    return made.value();
}

void make_stacks(machine::Processor& cpu) {
    for (usize i = 0; i < machine::interrupt_stack_count; ++i)
        cpu.task_state.ist[i] = stack().raw();
    cpu.stack_top = stack();
}

[[noreturn]] void continue_on(HostVirtual top, void (*next)()) {
    // SAFETY: nothing of the old stack is used afterwards; two zeros end the frame chain.
    asm volatile("mov %0, %%rsp\n\t"
                 "xor %%ebp, %%ebp\n\t"
                 "push $0\n\t"
                 "push $0\n\t"
                 "mov %%rsp, %%rbp\n\t"
                 "call *%1\n\t"
                 "ud2" ::"r"(top.raw()),
                 "r"(next)
                 : "memory");
    __builtin_unreachable();
}

} // namespace

void set_up_boot_processor(void (*next)()) {
    machine::Processor& cpu = machine::boot_processor();
    make_stacks(cpu);
    machine::load_processor(cpu);
    machine::prepare_interrupt_table();
    machine::load_interrupt_table();
    machine::silence_legacy_interrupts();
    machine::enable_local_apic();
    cpu.apic_id = machine::local_apic_id();
    cpu.online = true;
    continue_on(cpu.stack_top, next);
}

void start_other_processors(const boot::BootInfo& info, const wire::Madt& madt) {
    const ApicId own = machine::boot_processor().apic_id;
    u32 without_room = madt.left_out;
    for (const ApicId id : madt.processors) {
        if (id == own)
            continue;
        machine::Processor* cpu = machine::add_processor(id);
        if (cpu == nullptr)
            ++without_room;
        else
            make_stacks(*cpu);
    }
    const auto page = start_up_page(info);
    if (machine::processor_count() > 1 && !page)
        refuse("CPUs", "no free memory below 1 MiB to start them in");
    // SAFETY: the image is loaded where it is linked, physical = virtual.
    const HostPhysical boot_tables{reinterpret_cast<u64>(boot_pml4)};
    const u32 silent = machine::start_processors(
        {page.value_or(HostPhysical{}), boot_tables, host_table_root(), wake_through_tboot()});
    log("CPUs: {} running", machine::processor_count() - silent);
    if (silent != 0)
        log("CPUs: {} did not answer and stay off", silent);
    if (without_room != 0)
        log("CPUs: {} are left off: their APIC identifier needs x2APIC mode, or there are more "
            "than "
            "{}",
            without_room,
            machine::max_cpus);
}

} // namespace ravelin::hv

// SPDX-License-Identifier: Apache-2.0
// Starting and parking the CPUs. One is started at a time, because they take their stack and number
// from the same three variables. [SDM vol3 9.4.4] [AMD APM vol2 14.1]
#include "hv/machine/processors.hpp"

#include "hv/machine/console.hpp"
#include "hv/machine/instructions.hpp"
#include "hv/machine/interrupts.hpp"
#include "hv/machine/local_apic.hpp"
#include "hv/machine/panic.hpp"
#include "hv/machine/timer.hpp"

#include <hv/mm/direct_map.hpp>

#include <algorithm>

extern "C" const ravelin::u8 ravelin_trampoline[];
extern "C" const ravelin::u8 ravelin_trampoline_end[];
extern "C" const ravelin::u8 ravelin_trampoline_tables[];

// Written by the boot CPU before each start-up interrupt, read by the CPU that starts.
extern "C" ravelin::u64 ravelin_start_stack;
extern "C" ravelin::u64 ravelin_start_tables;
extern "C" ravelin::u64 ravelin_start_processor;
ravelin::u64 ravelin_start_stack;
ravelin::u64 ravelin_start_tables;
ravelin::u64 ravelin_start_processor;

namespace ravelin::hv::machine {
namespace {

constexpr u64 init_wait_microseconds = 10'000;
constexpr u64 start_up_wait_microseconds = 200;
constexpr u64 answer_wait_microseconds = 100'000;

// Entries are added by the boot CPU before their CPU runs, then written by their own CPU.
std::array<Processor, max_cpus> processors;
usize count = 1;
u64 wait_ticks = 0;

/// One slot a CPU: the giver stores the context first, the taker takes the work first.
struct Assignment {
    std::atomic<void*> context{nullptr};
    std::atomic<Work> work{nullptr};
};
std::array<Assignment, max_cpus> assignments;

void wait(u64 microseconds) {
    const u64 start = read_tsc();
    delay_microseconds(microseconds);
    wait_ticks += read_tsc() - start;
}

bool answers_within(const Processor& cpu, u64 microseconds) {
    const u64 start = read_tsc();
    const u64 limit = nanoseconds_to_tsc(microseconds * 1000);
    while (!cpu.online.load(std::memory_order_acquire) && read_tsc() - start < limit)
        __builtin_ia32_pause();
    wait_ticks += read_tsc() - start;
    return cpu.online.load(std::memory_order_acquire);
}

void write_trampoline(const StartUpEnvironment& environment) {
    const auto size = static_cast<usize>(ravelin_trampoline_end - ravelin_trampoline);
    const mm::Mapping<u8> page{environment.page, page_size};
    std::copy_n(ravelin_trampoline, size, page.span().begin());
    const auto at = static_cast<usize>(ravelin_trampoline_tables - ravelin_trampoline);
    for (usize i = 0; i < sizeof(u32); ++i)
        page[at + i] = static_cast<u8>(environment.boot_tables.raw() >> (8 * i));
}

bool start(Processor& cpu, const StartUpEnvironment& environment) {
    ravelin_start_stack = cpu.stack_top.raw();
    // SAFETY: the address of a Processor, handed to the CPU it describes.
    ravelin_start_processor = reinterpret_cast<u64>(&cpu);
    if (environment.wake != nullptr) {
        environment.wake(cpu.apic_id, environment.page);
        return answers_within(cpu, answer_wait_microseconds);
    }
    const u8 page = static_cast<u8>(environment.page.raw() >> page_shift);
    send_start_up(cpu.apic_id, page);
    if (answers_within(cpu, start_up_wait_microseconds))
        return true;
    send_start_up(cpu.apic_id, page); // the second that the manual asks for
    return answers_within(cpu, answer_wait_microseconds);
}

void stop_others() {
    send_nmi_to_others();
}

void ignore(Vector, void*) {}

} // namespace

Processor& processor(CpuId id) {
    ensure(id.raw() < count, "a CPU that there is not");
    return processors[id.raw()];
}
usize processor_count() {
    return count;
}
Processor& boot_processor() {
    return processors[0];
}

Processor* add_processor(ApicId apic_id) {
    if (count == max_cpus)
        return nullptr;
    Processor& cpu = processors[count];
    cpu.id = CpuId{static_cast<u32>(count)};
    cpu.apic_id = apic_id;
    ++count;
    return &cpu;
}

u32 start_processors(const StartUpEnvironment& environment) {
    register_interrupt(kick_vector, ignore, nullptr);
    if (count == 1)
        return 0;
    write_trampoline(environment);
    ravelin_start_tables = environment.tables.raw();
    if (environment.wake == nullptr) {
        for (usize i = 1; i < count; ++i)
            send_init(processors[i].apic_id);
        wait(init_wait_microseconds);
    }
    u32 silent = 0;
    for (usize i = 1; i < count; ++i) {
        if (!start(processors[i], environment))
            ++silent;
        // A late one must not meet the next one's stack.
        if (!processors[i].online.load())
            send_init(processors[i].apic_id);
    }
    set_stop_others(stop_others);
    return silent;
}

u64 start_up_wait_ticks() {
    return wait_ticks;
}

void give_work(CpuId target, Work work, void* context) {
    Assignment& slot = assignments[target.raw()];
    slot.context.store(context, std::memory_order_relaxed);
    slot.work.store(work, std::memory_order_release);
    kick(target);
}

void kick(CpuId target) {
    send_interrupt(processor(target).apic_id, kick_vector);
}

} // namespace ravelin::hv::machine

extern "C" [[noreturn]] void ravelin_processor_main(ravelin::hv::machine::Processor* self) {
    using namespace ravelin;
    using namespace ravelin::hv::machine;
    load_processor(*self);
    load_interrupt_table();
    enable_local_apic();
    self->online.store(true, std::memory_order_release);
    Assignment& slot = assignments[self->id.raw()];
    for (;;) {
        const Work work = slot.work.exchange(nullptr, std::memory_order_acquire);
        if (work != nullptr)
            work(slot.context.load(std::memory_order_relaxed));
        else
            wait_for_interrupt();
    }
}

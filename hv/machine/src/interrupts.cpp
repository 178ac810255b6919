// SPDX-License-Identifier: Apache-2.0
// The IDT and the dispatcher. [AMD APM vol2 8.9]
#include "hv/machine/interrupts.hpp"

#include "hv/machine/local_apic.hpp"
#include "hv/machine/panic.hpp"
#include "hv/machine/power.hpp"
#include "hv/machine/processor.hpp"

#include <array>

extern "C" const ravelin::u8 ravelin_interrupt_stubs[256][16];

namespace ravelin::hv::machine {
namespace {

struct Gate { // [AMD APM vol2 4.8.4]
    u16 offset_low;
    u16 selector;
    u8 ist;
    u8 type;
    u16 offset_middle;
    u32 offset_high;
    u32 reserved;
};
static_assert(sizeof(Gate) == 16);
constexpr u8 interrupt_gate = 0x8e;

struct Registration {
    InterruptHandler handler;
    void* context;
};

// Written by prepare_interrupt_table() once; read by the CPUs.
alignas(16) std::array<Gate, 256> table;
// Written by register_interrupt() before the vector is used; read by the dispatcher.
std::array<Registration, 256> handlers;

constexpr u8 first_external = 0x20;
constexpr u8 nmi = 2;
constexpr u8 double_fault = 8;
constexpr u8 machine_check = 18;

constexpr std::string_view exception_names[] = {"#DE divide error",
                                                "#DB debug",
                                                "NMI",
                                                "#BP breakpoint",
                                                "#OF overflow",
                                                "#BR bound",
                                                "#UD undefined opcode",
                                                "#NM device not available",
                                                "#DF double fault",
                                                "coprocessor overrun",
                                                "#TS invalid TSS",
                                                "#NP segment not present",
                                                "#SS stack",
                                                "#GP general protection",
                                                "#PF page fault",
                                                "reserved",
                                                "#MF x87",
                                                "#AC alignment check",
                                                "#MC machine check",
                                                "#XM SIMD",
                                                "#VE",
                                                "#CP control protection"};

} // namespace

void register_interrupt(Vector vector, InterruptHandler handler, void* context) {
    ensure(vector.raw() >= first_external, "exceptions have no handlers but the panic");
    handlers[vector.raw()] = {handler, context};
}

void prepare_interrupt_table() {
    for (usize i = 0; i < table.size(); ++i) {
        // SAFETY: the address of a stub.
        const u64 stub = reinterpret_cast<u64>(&ravelin_interrupt_stubs[i]);
        u8 ist = 0;
        if (i == double_fault)
            ist = 1;
        if (i == nmi)
            ist = 2;
        if (i == machine_check)
            ist = 3;
        table[i] = Gate{static_cast<u16>(stub),
                        code_selector,
                        ist,
                        interrupt_gate,
                        static_cast<u16>(stub >> 16),
                        static_cast<u32>(stub >> 32),
                        0};
    }
}

void load_interrupt_table() {
    struct [[gnu::packed]] {
        u16 limit;
        u64 base;
        // SAFETY: the table's own address.
    } const pointer{sizeof(table) - 1, reinterpret_cast<u64>(table.data())};
    // SAFETY: the table is filled and lives for ever.
    asm volatile("lidt %0" ::"m"(pointer));
}

} // namespace ravelin::hv::machine

extern "C" void ravelin_interrupt(ravelin::hv::machine::InterruptFrame* frame) {
    using namespace ravelin;
    using namespace ravelin::hv::machine;
    const u8 vector = static_cast<u8>(frame->vector);
    if (vector == nmi && (panicking() || ending()))
        halt_this_cpu();
    if (vector < first_external)
        panic(vector < std::size(exception_names) ? exception_names[vector] : "exception", frame);
    const auto& registration = handlers[vector];
    if (registration.handler != nullptr)
        registration.handler(Vector{vector}, registration.context);
    if (vector != spurious_vector.raw())
        end_of_interrupt();
}

// SPDX-License-Identifier: Apache-2.0
// Local APIC registers through the direct map, which maps this page uncached.
#include "hv/machine/local_apic.hpp"

#include "hv/machine/instructions.hpp"
#include "hv/machine/interrupts.hpp"

#include <base/bits.hpp>
#include <hv/mm/direct_map.hpp>

namespace ravelin::hv::machine {
namespace {

enum class Register : u32 { // [SDM vol3 table 11-1]
    id = 0x020,
    task_priority = 0x080,
    end_of_interrupt = 0x0b0,
    spurious = 0x0f0,
    command_low = 0x300,
    command_high = 0x310,
    timer = 0x320,
    thermal = 0x330,
    performance = 0x340,
    lint0 = 0x350,
    lint1 = 0x360,
    error = 0x370,
    timer_initial = 0x380,
    timer_current = 0x390,
    timer_divide = 0x3e0,
};
constexpr u32 msr_apic_base = 0x1b;
struct ApicBase {
    using ExtendedMode = BitFlag<u64, 10>;
    using Enable = BitFlag<u64, 11>;
};
struct Lvt {
    using Masked = BitFlag<u32, 16>;
};
struct Command { // [SDM vol3 11.6.1]
    using Delivery = BitField<u32, 10, 8>;
    using Pending = BitFlag<u32, 12>;
    using Assert = BitFlag<u32, 14>;
    using Shorthand = BitField<u32, 19, 18>;
};
constexpr u32 delivery_nmi = 4;
constexpr u32 delivery_init = 5;
constexpr u32 delivery_start_up = 6;
constexpr u32 all_but_self = 3;
constexpr u32 software_enable = 0x100;
constexpr u32 divide_by_one = 0xb;

// The two interrupt controllers of the PC. [Intel 8259A]
constexpr u16 pic_command[] = {0x20, 0xa0};
constexpr u16 pic_data[] = {0x21, 0xa1};
constexpr u8 pic_initialise = 0x11;   ///< ICW1: edge, cascaded, ICW4 follows
constexpr u8 pic_first_vector = 0xf8; ///< so that a spurious one, its seventh, is spurious_vector
constexpr u8 pic_cascade[] = {1u << 2, 2};
constexpr u8 pic_8086_mode = 1;

volatile u32& reg(Register which) {
    // SAFETY: device registers, mapped uncached, one 32-bit access each.
    return *mm::direct_map_pointer<volatile u32>(local_apic_base + static_cast<u32>(which));
}

void send(ApicId target, u32 low) {
    reg(Register::command_high) = target.raw() << 24;
    reg(Register::command_low) = low;
    while (Command::Pending::get(reg(Register::command_low)))
        __builtin_ia32_pause();
}

} // namespace

void enable_local_apic() {
    // xAPIC mode even where the firmware left x2APIC on: back through "disabled" [SDM
    // vol3 11.12.5].
    u64 base = read_msr(msr_apic_base);
    if (ApicBase::ExtendedMode::get(base)) {
        base = ApicBase::Enable::set(ApicBase::ExtendedMode::set(base, false), false);
        write_msr(msr_apic_base, base);
    }
    write_msr(msr_apic_base, ApicBase::Enable::set(base, true));
    for (const Register lvt :
         {Register::timer, Register::thermal, Register::performance, Register::lint0})
        reg(lvt) = Lvt::Masked::of(true);
    // The operator's button and the chipset's errors: a panic with a trace.
    reg(Register::lint1) = Command::Delivery::of(delivery_nmi);
    reg(Register::error) = error_vector.raw();
    reg(Register::task_priority) = 0;
    reg(Register::timer_divide) = divide_by_one;
    reg(Register::timer) = timer_vector.raw();
    reg(Register::spurious) = software_enable | spurious_vector.raw();
}

void silence_legacy_interrupts() {
    for (usize i = 0; i < 2; ++i) {
        out8(pic_command[i], pic_initialise);
        out8(pic_data[i], pic_first_vector);
        out8(pic_data[i], pic_cascade[i]);
        out8(pic_data[i], pic_8086_mode);
        out8(pic_data[i], 0xff); // every line masked
    }
}

ApicId local_apic_id() {
    return ApicId{reg(Register::id) >> 24};
}
void end_of_interrupt() {
    reg(Register::end_of_interrupt) = 0;
}
void start_apic_timer(u32 count) {
    reg(Register::timer_initial) = count;
}
u32 read_apic_timer() {
    return reg(Register::timer_current);
}

void send_init(ApicId target) {
    send(target, Command::Delivery::of(delivery_init) | Command::Assert::of(true));
}
void send_start_up(ApicId target, u8 page) {
    send(target, Command::Delivery::of(delivery_start_up) | Command::Assert::of(true) | page);
}
void send_interrupt(ApicId target, Vector vector) {
    send(target, Command::Assert::of(true) | vector.raw());
}
void send_nmi_to_others() {
    send(ApicId{0},
         Command::Delivery::of(delivery_nmi) | Command::Assert::of(true) |
             Command::Shorthand::of(all_but_self));
}

} // namespace ravelin::hv::machine

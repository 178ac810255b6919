// SPDX-License-Identifier: Apache-2.0
// The ends of a run that are not a panic.
#include "hv/machine/power.hpp"

#include "hv/machine/console.hpp"
#include "hv/machine/instructions.hpp"
#include "hv/machine/timer.hpp"

#include <base/bits.hpp>

namespace ravelin::hv::machine {
namespace {

struct Pm1Control { // [ACPI 6.4 4.8.3.2.1]
    using SleepType = BitField<u16, 12, 10>;
    using SleepEnable = BitFlag<u16, 13>;
};
constexpr u16 keyboard_command = 0x64;
constexpr u8 pulse_reset = 0xfe;
constexpr u64 settle_microseconds = 100'000;

// Written by set_power_control() once.
std::optional<SoftOffControl> soft_off_control;
std::optional<ResetControl> reset_control;

void request_sleep(u16 port, u8 type) {
    if (port == 0)
        return;
    u16 value = Pm1Control::SleepType::set(in16(port), type);
    value = Pm1Control::SleepEnable::set(value, true);
    out16(port, value);
}

} // namespace

void set_power_control(const std::optional<SoftOffControl>& soft_off,
                       const std::optional<ResetControl>& reset) {
    soft_off_control = soft_off;
    reset_control = reset;
}

void power_off() {
    disable_interrupts();
    log("power off");
    if (soft_off_control) {
        request_sleep(soft_off_control->pm1a_control, soft_off_control->type_a);
        request_sleep(soft_off_control->pm1b_control, soft_off_control->type_b);
        delay_microseconds(settle_microseconds);
    }
    log("this machine cannot be turned off by software: turn it off by hand");
    halt_for_ever();
}

void reset() {
    disable_interrupts();
    log("reset");
    if (reset_control) {
        out8(reset_control->port, reset_control->value);
        delay_microseconds(settle_microseconds);
    }
    out8(keyboard_command, pulse_reset);
    delay_microseconds(settle_microseconds);
    struct [[gnu::packed]] {
        u16 limit;
        u64 base;
    } const nothing{0, 0};
    // SAFETY: without an IDT the exception ends in a shutdown, which chipsets turn into a reset:
    // the aim.
    asm volatile("lidt %0; ud2" ::"m"(nothing));
    halt_for_ever();
}

} // namespace ravelin::hv::machine

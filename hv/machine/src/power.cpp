// SPDX-License-Identifier: Apache-2.0
// The ends of a run that are not a panic.
#include "hv/machine/power.hpp"

#include "hv/machine/console.hpp"
#include "hv/machine/instructions.hpp"
#include "hv/machine/local_apic.hpp"
#include "hv/machine/processors.hpp"
#include "hv/machine/timer.hpp"

#include <base/bits.hpp>

#include <atomic>

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

// Set once during start-up.
std::atomic<Leave> leave{nullptr};
/// Written by the first CPU that ends the machine, read by the boot CPU.
std::atomic<bool> has_ended{false};
std::atomic<End> wanted_end{End::halt};
constexpr u64 stop_microseconds = 10'000; // for the others to take their NMI

u16 sleep_value(u16 port, u8 type) {
    return Pm1Control::SleepEnable::set(Pm1Control::SleepType::set(in16(port), type), true);
}

void request_sleep(u16 port, u8 type) {
    if (port == 0)
        return;
    out16(port, sleep_value(port, type));
}

} // namespace

void set_power_control(const std::optional<SoftOffControl>& soft_off,
                       const std::optional<ResetControl>& reset) {
    soft_off_control = soft_off;
    reset_control = reset;
}

SoftOffRequest soft_off_request() {
    SoftOffRequest out{};
    if (soft_off_control && soft_off_control->pm1a_control != 0) {
        out.pm1a_port = soft_off_control->pm1a_control;
        out.pm1a_value = sleep_value(out.pm1a_port, soft_off_control->type_a);
    }
    if (soft_off_control && soft_off_control->pm1b_control != 0) {
        out.pm1b_port = soft_off_control->pm1b_control;
        out.pm1b_value = sleep_value(out.pm1b_port, soft_off_control->type_b);
    }
    return out;
}

void set_leave(Leave how) {
    leave.store(how);
}
bool has_leave() {
    return leave.load() != nullptr;
}
bool ending() {
    return has_ended.load();
}

void leave_environment(End end) {
    const Leave how = leave.load();
    if (how == nullptr)
        return;
    disable_interrupts();
    const bool is_boot_cpu = this_processor().id == CpuId{0};
    wanted_end.store(end);
    if (has_ended.exchange(true) && !is_boot_cpu)
        halt_for_ever(); // another CPU ends the machine already
    if (processor_count() > 1)
        send_nmi_to_others();
    if (!is_boot_cpu)
        halt_for_ever(); // the boot CPU leaves from its NMI
    delay_microseconds(stop_microseconds);
    seize_console();
    how(end);
}

void stop_for_the_end() {
    if (this_processor().id != CpuId{0})
        halt_for_ever();
    // A panic elsewhere stops this CPU first and prints; NMIs stay blocked, so it waits here.
    while (!has_ended.load())
        __builtin_ia32_pause();
    delay_microseconds(stop_microseconds);
    seize_console();
    if (const Leave how = leave.load())
        how(wanted_end.load());
    halt_for_ever();
}

void power_off() {
    disable_interrupts();
    log("power off");
    leave_environment(End::power_off);
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
    leave_environment(End::reset);
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

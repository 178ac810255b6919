// SPDX-License-Identifier: Apache-2.0
// Turning the machine off and resetting it, as the firmware's tables say. Nothing is guessed: a
// port that no table names is not written.
#pragma once

#include <base/types.hpp>

#include <optional>

namespace ravelin::hv::machine {

/// Where soft-off is requested; ports of 0 do not exist. [ACPI 6.4 4.8.3.2]
struct SoftOffControl {
    u16 pm1a_control{};
    u16 pm1b_control{};
    u8 type_a{};
    u8 type_b{};
};

/// The reset register, when it is an I/O port. [ACPI 6.4 4.8.3.6]
struct ResetControl {
    u16 port{};
    u8 value{};
};

/// Context: boot CPU, once.
void set_power_control(const std::optional<SoftOffControl>& soft_off,
                       const std::optional<ResetControl>& reset);

/// What power_off() would write, for whoever writes it instead; ports of 0 where there is nothing.
struct SoftOffRequest {
    u16 pm1a_port{};
    u16 pm1a_value{};
    u16 pm1b_port{};
    u16 pm1b_value{};
};
[[nodiscard]] SoftOffRequest soft_off_request();

enum class End : u8 { power_off, reset, halt };

/// Leaves an environment that must not be left by just stopping, and ends the machine. It runs on
/// the boot CPU, interrupts disabled, the other CPUs stopped, whatever locks they held; it returns
/// only where it could do nothing.
using Leave = void (*)(End end);
/// Context: boot CPU, once, timer calibrated.
void set_leave(Leave leave);
[[nodiscard]] bool has_leave();
/// Stops all CPUs and has the boot CPU leave, if set_leave() was called. Returns otherwise.
void leave_environment(End end);
/// What a CPU does that was stopped for the end; the boot CPU leaves. Context: NMI.
[[noreturn]] void stop_for_the_end();
[[nodiscard]] bool ending();

/// Turns the machine off. Where that is not possible it says so and stops this CPU for ever.
[[noreturn]] void power_off();

/// Resets by the reset register, else by the keyboard controller, else by a triple fault.
[[noreturn]] void reset();

} // namespace ravelin::hv::machine

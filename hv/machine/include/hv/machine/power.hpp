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

/// Turns the machine off. Where that is not possible it says so and stops this CPU for ever.
[[noreturn]] void power_off();

/// Resets by the reset register, else by the keyboard controller, else by a triple fault.
[[noreturn]] void reset();

} // namespace ravelin::hv::machine

// SPDX-License-Identifier: Apache-2.0
// Time: the TSC, its frequency, and one-shot deadlines by the local APIC's timer.
#pragma once

#include <base/types.hpp>

#include <optional>

namespace ravelin::hv::machine {

/// Finds the TSC's and the APIC timer's frequency: CPUID 15h where it speaks, else against the PIT.
/// Takes 3 ms. Context: boot CPU, APIC enabled, interrupts disabled.
void calibrate_timer();

[[nodiscard]] u64 tsc_khz();
[[nodiscard]] u64 tsc_to_nanoseconds(u64 ticks);
[[nodiscard]] u64 nanoseconds_to_tsc(u64 nanoseconds);

/// Raises timer_vector on this CPU when the TSC reaches the deadline (at once when it has), or
/// never. Long waits come in steps, taken by the interrupt's handler.
void arm_timer(std::optional<u64> deadline_tsc);

/// Calls `check` on this CPU about every `interval` ticks from now on, beside its deadline, from
/// the timer's interrupt. For devices whose own interrupt is not routed. One CPU, once.
void check_periodically(u64 interval, void (*check)());

/// Waits without giving the CPU away; for the few delays hardware asks for.
void delay_microseconds(u64 microseconds);

} // namespace ravelin::hv::machine

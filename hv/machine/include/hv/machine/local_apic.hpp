// SPDX-License-Identifier: Apache-2.0
// The physical local APIC, in xAPIC mode. [SDM vol3 11.4-11.8] [AMD APM vol2 16]
#pragma once

#include <base/types.hpp>

namespace ravelin::hv::machine {

constexpr HostPhysical local_apic_base{0xfee00000};

/// Software-enables this CPU's APIC with our spurious vector, everything in the LVT masked.
/// Context: each CPU, once.
void enable_local_apic();
/// Masks the 8259s, which the firmware leaves with the timer on a vector of the CPU's exceptions.
/// What they raise all the same is our spurious vector. Once, before interrupts are enabled.
void silence_legacy_interrupts();
[[nodiscard]] ApicId local_apic_id();
void end_of_interrupt();

/// Counts down once from `count` (divide by one) and then raises timer_vector; 0 stops it.
void start_apic_timer(u32 count);
[[nodiscard]] u32 read_apic_timer();

void send_init(ApicId target);
void send_start_up(ApicId target, u8 page);
void send_interrupt(ApicId target, Vector vector);
/// NMI to all CPUs but this one.
void send_nmi_to_others();

} // namespace ravelin::hv::machine

// SPDX-License-Identifier: Apache-2.0
// The CPUs of the machine: their stacks, and all of them running.
#pragma once

#include <hv/boot/boot_info.hpp>
#include <wire/acpi.hpp>

#include <string_view>

namespace ravelin::hv {

/// Stacks, descriptor tables and the local APIC of the boot CPU; then goes on in `next`, on a stack
/// with a guard page. Context: final page tables loaded.
[[noreturn]] void set_up_boot_processor(void (*next)());

/// Starts all other CPUs that the firmware lists and reports how many there are. A CPU that does
/// not answer is reported and left off. Context: boot CPU, timer calibrated.
void start_other_processors(const boot::BootInfo& info, const wire::Madt& madt);

} // namespace ravelin::hv

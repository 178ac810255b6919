// SPDX-License-Identifier: Apache-2.0
// The physical CPUs at work: each picks a vCPU, runs it for a turn, puts it back. The scheduler's
// decisions are hv/scheduler's; its lock, the interrupts it asks for and the time are here.
#pragma once

#include "back_end.hpp"

#include <hv/scheduler/scheduler.hpp>

namespace ravelin::hv {

struct DomainStorage;

/// The boot CPU's virtualisation.
[[nodiscard]] HostCpu& boot_cpu_host();
/// Turns it on here; nullptr, or why not.
[[nodiscard]] const char* enable_virtualisation_here();

/// Takes a stopped domain's vCPUs from the scheduler for ever; false while one still runs. Any CPU.
[[nodiscard]] bool take_off_cpus(DomainStorage& storage);
/// What the operator gives a domain; false when it cannot be given. Any CPU.
[[nodiscard]] bool set_share(DomainStorage& storage, const scheduler::Share& share);

/// How long its vCPUs had a CPU, up to now. Any CPU.
[[nodiscard]] u64 ticks_used(const DomainStorage& storage);

/// Starts every domain that was built, and runs them until the machine ends: with domain 0, or,
/// where there is none, with the last domain. Context: boot CPU.
[[noreturn]] void run_domains();

} // namespace ravelin::hv

// SPDX-License-Identifier: Apache-2.0
// The physical CPUs at work: each picks a vCPU, runs it for a turn, puts it back. The scheduler's
// decisions are hv/scheduler's; its lock, the interrupts it asks for and the time are here.
#pragma once

#include <hv/scheduler/scheduler.hpp>
#include <hv/svm/host.hpp>

namespace ravelin::hv {

struct DomainStorage;

/// SVM on the boot CPU.
[[nodiscard]] svm::Host& boot_cpu_host();
/// Turns it on here.
[[nodiscard]] Status<svm::Error> enable_svm_here();

/// Takes a stopped domain's vCPUs from the scheduler for ever; false while one still runs. Any CPU.
[[nodiscard]] bool take_off_cpus(DomainStorage& storage);
/// What the operator gives a domain; false when it cannot be given. Any CPU.
[[nodiscard]] bool set_share(DomainStorage& storage, const scheduler::Share& share);

/// Starts every domain that was built, and runs them until the machine ends: with domain 0, or,
/// where there is none, with the last domain. Context: boot CPU.
[[noreturn]] void run_domains();

} // namespace ravelin::hv

// SPDX-License-Identifier: Apache-2.0
// The physical CPUs at work: each picks a vCPU, runs it for a turn, puts it back.
#pragma once

#include <hv/svm/host.hpp>

namespace ravelin::hv {

/// SVM on the boot CPU.
[[nodiscard]] svm::Host& boot_cpu_host();

/// Starts every domain that was built, and runs them until the machine ends: with domain 0, or,
/// where there is none, with the last domain. Context: boot CPU.
[[noreturn]] void run_domains();

} // namespace ravelin::hv

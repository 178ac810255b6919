// SPDX-License-Identifier: Apache-2.0
// The end: a message, the registers, a symbolised trace, all CPUs stopped.
#pragma once

#include <base/ensure.hpp>
#include <hv/machine/interrupts.hpp>

#include <string_view>

namespace ravelin::hv::machine {

/// Makes ensure() end here.
void install_panic();

[[noreturn]] void panic(std::string_view what, const InterruptFrame* frame = nullptr);

/// Whether some CPU has panicked: an NMI then means "halt".
[[nodiscard]] bool panicking();
[[noreturn]] void halt_this_cpu();

/// What a panicking CPU does to the others before it prints; set when there are others.
using StopOthers = void (*)();
void set_stop_others(StopOthers stop);

} // namespace ravelin::hv::machine

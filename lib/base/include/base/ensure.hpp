// SPDX-License-Identifier: Apache-2.0
// ensure(): an invariant checked in every build. A false one ends the world through the registered
// handler (the hypervisor's panic, the test's abort); it never continues.
#pragma once

#include <source_location>

namespace ravelin {

using EnsureHandler = void (*)(const char* what, const std::source_location& where);

/// Registers what happens when an invariant does not hold. The handler must not return; if it does,
/// the CPU traps. Context: start-up, one CPU.
void set_ensure_handler(EnsureHandler handler);

[[noreturn]] void ensure_failed(const char* what, const std::source_location& where);

/// Checks an invariant of our own. Never for input: input gets an error.
constexpr void ensure(bool holds,
                      const char* what,
                      const std::source_location& where = std::source_location::current()) {
    if (!holds) [[unlikely]]
        ensure_failed(what, where);
}

} // namespace ravelin

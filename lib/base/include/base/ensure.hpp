// SPDX-License-Identifier: Apache-2.0
// ensure(): an invariant checked in every build. A false one ends the world through the registered
// handler (the hypervisor's panic, the test's abort); it never continues.
#pragma once

namespace ravelin {

/// Where a call was written: the shape of std::source_location, which clang 14 cannot take from
/// libstdc++.
struct SourceLocation {
    const char* file;
    const char* function;
    unsigned line;
    [[nodiscard]] static constexpr SourceLocation
    current(const char* file = __builtin_FILE(),
            const char* function = __builtin_FUNCTION(),
            unsigned line = __builtin_LINE()) {
        return SourceLocation{file, function, line};
    }
};

using EnsureHandler = void (*)(const char* what, const SourceLocation& where);

/// Registers what happens when an invariant does not hold. The handler must not return; if it does,
/// the CPU traps. Context: start-up, one CPU.
void set_ensure_handler(EnsureHandler handler);

[[noreturn]] void ensure_failed(const char* what, const SourceLocation& where);

/// Checks an invariant of our own. Never for input: input gets an error.
constexpr void
ensure(bool holds, const char* what, const SourceLocation& where = SourceLocation::current()) {
    if (!holds) [[unlikely]]
        ensure_failed(what, where);
}

} // namespace ravelin

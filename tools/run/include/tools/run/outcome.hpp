// SPDX-License-Identifier: Apache-2.0
// How a guest ended, from what Ravelin wrote on the console. The guest writes there too, so its own
// words are only believed where they do it no good: success also takes a machine that is off.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ravelin::run {

enum class End {
    powered_off,
    stopped,       ///< a crash, a reboot, or stopped by the hypervisor
    could_not_run, ///< Ravelin refused, panicked, or the machine ended before any of that
    timed_out,
    left, ///< by the user
};

struct Outcome {
    End end;
    std::string words; ///< for the user
};

/// What the console shows of the end of domain `name` so far: the last word that Ravelin had on it.
/// `powered_off` only counts once the machine is.
[[nodiscard]] std::optional<Outcome> outcome_on_console(std::string_view console,
                                                        std::string_view name);

[[nodiscard]] int exit_status(End end);

} // namespace ravelin::run

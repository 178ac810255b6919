// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/run/outcome.hpp"

namespace ravelin::run {
namespace {

std::optional<Outcome> outcome_of_line(std::string_view line, std::string_view name) {
    constexpr std::string_view speaker = "ravelin: ";
    // A guest's unfinished line may stand before Ravelin's.
    const std::size_t at = line.find(speaker);
    if (at == std::string_view::npos)
        return std::nullopt;
    const std::string_view said = line.substr(at + speaker.size());
    if (said.starts_with("REFUSED: ") || said.starts_with("PANIC: "))
        return Outcome{End::could_not_run, std::string{said}};
    const std::string stopped = "domain " + std::string{name} + " stopped: ";
    if (!said.starts_with(stopped))
        return std::nullopt;
    const std::string_view reason = said.substr(stopped.size());
    return Outcome{reason == "power off" ? End::powered_off : End::stopped, std::string{reason}};
}

} // namespace

std::optional<Outcome> outcome_on_console(std::string_view console, std::string_view name) {
    std::optional<Outcome> last;
    // An unfinished line may yet say more.
    for (std::size_t end = console.find('\n'); end != std::string_view::npos;
         end = console.find('\n')) {
        if (auto outcome = outcome_of_line(console.substr(0, end), name))
            last = std::move(outcome);
        console.remove_prefix(end + 1);
    }
    return last;
}

int exit_status(End end) {
    switch (end) {
    case End::powered_off:
        return 0;
    case End::stopped:
        return 1;
    case End::could_not_run:
        return 2;
    case End::timed_out:
        return 3;
    case End::left:
        return 4;
    }
    return 2;
}

} // namespace ravelin::run

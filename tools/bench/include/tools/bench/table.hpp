// SPDX-License-Identifier: Apache-2.0
// The figures of the benchmark's runs, read from what Ravelin, the guests and the native system say
// on their consoles, beside their limits. A figure that is missing is a failure: nothing is left
// out silently.
#pragma once

#include <base/int.hpp>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ravelin::bench {

/// The machines that are booted, one after the other.
enum class Run : u8 {
    exits,  ///< Ravelin with the small guest that measures exits and grants
    native, ///< stock Linux without Ravelin
    guest,  ///< the same Linux as Ravelin's only guest
    start,  ///< a small PVH ELF without Ravelin
    server, ///< domain 0 that makes that ELF and that Linux its guests, with disk and network
};
inline constexpr std::size_t run_count = 5;

/// What each said.
class Consoles {
  public:
    [[nodiscard]] std::string& operator[](Run run) { return text_.at(static_cast<usize>(run)); }
    [[nodiscard]] std::string_view operator[](Run run) const {
        return text_.at(static_cast<usize>(run));
    }

  private:
    std::array<std::string, run_count> text_;
};

struct Figure {
    std::string_view title;
    std::string_view unit;
    std::optional<u64> limit; ///< at most; nothing: for information
    /// Where the console says it: the text before the number.
    std::string_view before;
    /// A text that the number's line must hold as well; empty: none.
    std::string_view on_line{};
    Run run{Run::exits};
    /// Less is impossible and shows that something else was measured.
    u64 least{0};
    /// For a figure that is not one number of one console.
    std::optional<u64> (*compute)(const Consoles& consoles){nullptr};
};

/// From one tick to another: what two consoles say behind a text, less idle time.
struct Span {
    Run run;
    std::string_view end;
    Run start_run{};
    std::string_view start{}; ///< empty: `end` says a duration, or ticks since power-on
    std::string_view idle{};  ///< on the console of `run`; empty: nothing is left out
};

/// What is needed under Ravelin beyond what is needed natively.
struct Comparison {
    std::string_view title;
    Span native;
    Span guest;
    std::optional<i64> limit; ///< at most, in hundredths of a percent; nothing: for information
};

/// What is measured, in the table's order.
[[nodiscard]] const std::vector<Figure>& figures();
[[nodiscard]] const std::vector<Comparison>& comparisons();

/// The last number that the console says behind `before`, on a line that holds `on_line` too.
[[nodiscard]] std::optional<u64>
read_number(std::string_view console, std::string_view before, std::string_view on_line = {});
[[nodiscard]] std::optional<u64> read_figure(const Consoles& consoles, const Figure& figure);
[[nodiscard]] std::optional<i64> read_span(const Consoles& consoles, const Span& span);
/// How much more the guest needs, in hundredths of a percent of what the native system does.
[[nodiscard]] std::optional<i64> excess(const Consoles& consoles, const Comparison& comparison);

/// The CPU features that only one of the compared systems has, as a line of text: a difference here
/// may be one in the figures.
[[nodiscard]] std::string feature_differences(const Consoles& consoles);

struct Table {
    std::string text;
    unsigned exceeded; ///< limits
    unsigned missing;  ///< figures
};
[[nodiscard]] Table make_table(const Consoles& consoles);

} // namespace ravelin::bench

// SPDX-License-Identifier: Apache-2.0
// The figures of a benchmark run, read from what Ravelin and the benchmark guest say on the
// console, beside their limits. A figure that is missing is a failure: nothing is left out
// silently.
#pragma once

#include <base/int.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ravelin::bench {

struct Figure {
    std::string_view title;
    std::string_view unit;
    std::optional<u64> limit; ///< at most; nothing: for information
    /// Where the console says it: the text before the number.
    std::string_view before;
    /// A text that the number's line must hold as well; empty: none.
    std::string_view on_line{};
};

/// What is measured, in the table's order.
[[nodiscard]] const std::vector<Figure>& figures();

/// The last number that the console says for a figure.
[[nodiscard]] std::optional<u64> read_figure(std::string_view console, const Figure& figure);

struct Table {
    std::string text;
    unsigned exceeded; ///< limits
    unsigned missing;  ///< figures
};
[[nodiscard]] Table make_table(std::string_view console);

} // namespace ravelin::bench

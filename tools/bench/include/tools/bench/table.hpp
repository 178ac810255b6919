// SPDX-License-Identifier: Apache-2.0
// The figures of a benchmark run, read from the console's `name: value` lines, beside their limits.
// A figure that is missing is a failure: nothing is left out silently.
#pragma once

#include <base/int.hpp>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ravelin::bench {

struct Figure {
    std::string_view name;  ///< as on the console
    std::string_view title; ///< for people
    std::string_view unit;
    std::optional<u64> limit; ///< at most; nothing: for information
};

/// What is measured, in the table's order.
[[nodiscard]] const std::vector<Figure>& figures();

/// All lines "name: number" (what follows the number is a unit); the last of a name counts.
[[nodiscard]] std::map<std::string, u64> read_values(std::string_view console);

struct Table {
    std::string text;
    unsigned exceeded; ///< limits
    unsigned missing;  ///< figures
};
[[nodiscard]] Table make_table(const std::map<std::string, u64>& values);

} // namespace ravelin::bench

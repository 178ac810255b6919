// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/bench/table.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <iterator>
#include <set>
#include <sstream>

namespace ravelin::bench {
namespace {

std::string line(const std::string& title,
                 const std::string& value,
                 const std::string& limit,
                 const std::string& unit,
                 const std::string& verdict) {
    std::array<char, 200> text{};
    std::snprintf(text.data(),
                  text.size(),
                  "%-42s %14s %14s %-17s %s\n",
                  title.c_str(),
                  value.c_str(),
                  limit.c_str(),
                  unit.c_str(),
                  verdict.c_str());
    return text.data();
}

/// 1234567 as "1,234,567".
std::string grouped(u64 value) {
    std::string digits = std::to_string(value);
    for (std::size_t at = digits.size(); at > 3;) {
        at -= 3;
        digits.insert(at, ",");
    }
    return digits;
}

/// Hundredths of a percent as "+1.50 %".
std::string percent(i64 hundredths) {
    std::array<char, 40> text{};
    std::snprintf(text.data(), text.size(), "%+.2f %%", static_cast<double>(hundredths) / 100);
    return text.data();
}

std::set<std::string> features(std::string_view console) {
    constexpr std::string_view before = "bench.features: ";
    const std::size_t at = console.find(before);
    if (at == std::string_view::npos)
        return {};
    const std::string_view rest = console.substr(at + before.size());
    std::istringstream words{std::string{rest.substr(0, rest.find('\n'))}};
    return {std::istream_iterator<std::string>{words}, {}};
}

/// What `all` has and `others` has not.
std::string beyond(const std::set<std::string>& all, const std::set<std::string>& others) {
    std::string text;
    for (const std::string& feature : all)
        if (!others.contains(feature))
            text += " " + feature;
    return text.empty() ? " nothing" : text;
}

void add_row(Table& table, const Figure& figure, const Consoles& consoles) {
    const std::optional<u64> found = read_figure(consoles, figure);
    std::string verdict = "MISSING";
    if (!found)
        ++table.missing;
    else if (*found < figure.least || (figure.limit && *found > *figure.limit)) {
        ++table.exceeded;
        verdict = *found < figure.least ? "IMPOSSIBLE" : "EXCEEDED";
    } else
        verdict = figure.limit ? "ok" : "";
    table.text += line(std::string{figure.title},
                       found ? grouped(*found) : "-",
                       figure.limit ? grouped(*figure.limit) : "-",
                       std::string{figure.unit},
                       verdict);
}

void add_row(Table& table, const Comparison& comparison, const Consoles& consoles) {
    const std::optional<i64> found = excess(consoles, comparison);
    std::string verdict = "MISSING";
    std::string unit;
    if (!found)
        ++table.missing;
    else {
        const bool exceeded = comparison.limit && *found > *comparison.limit;
        table.exceeded += exceeded ? 1 : 0;
        verdict = exceeded ? "EXCEEDED" : comparison.limit ? "ok" : "";
        unit = "of " + grouped(static_cast<u64>(*read_span(consoles, comparison.native)));
    }
    table.text += line(std::string{comparison.title},
                       found ? percent(*found) : "-",
                       comparison.limit ? percent(*comparison.limit) : "-",
                       unit,
                       verdict);
}

} // namespace

std::optional<u64>
read_number(std::string_view console, std::string_view before, std::string_view on_line) {
    std::optional<u64> last;
    while (!console.empty()) {
        const std::size_t end = console.find('\n');
        const std::string_view text = console.substr(0, end);
        console.remove_prefix(end == std::string_view::npos ? console.size() : end + 1);
        const std::size_t at = text.rfind(before);
        if (at == std::string_view::npos || text.find(on_line) == std::string_view::npos)
            continue;
        const std::string_view number = text.substr(at + before.size());
        u64 value = 0;
        if (std::from_chars(number.data(), number.data() + number.size(), value).ec == std::errc{})
            last = value;
    }
    return last;
}

std::optional<u64> read_figure(const Consoles& consoles, const Figure& figure) {
    return figure.compute != nullptr
               ? figure.compute(consoles)
               : read_number(consoles[figure.run], figure.before, figure.on_line);
}

std::optional<i64> read_span(const Consoles& consoles, const Span& span) {
    const auto part = [&consoles](Run run, std::string_view before) -> std::optional<u64> {
        return before.empty() ? std::optional<u64>{0} : read_number(consoles[run], before);
    };
    const auto end = part(span.run, span.end);
    const auto start = part(span.start_run, span.start);
    const auto idle = part(span.run, span.idle);
    if (!end || !start || !idle)
        return std::nullopt;
    return static_cast<i64>(*end) - static_cast<i64>(*start) - static_cast<i64>(*idle);
}

std::optional<i64> excess(const Consoles& consoles, const Comparison& comparison) {
    const auto native = read_span(consoles, comparison.native);
    const auto guest = read_span(consoles, comparison.guest);
    if (!native || !guest || *native <= 0)
        return std::nullopt;
    return (*guest - *native) * 10'000 / *native;
}

std::string feature_differences(const Consoles& consoles) {
    const auto native = features(consoles[Run::native]);
    const auto guest = features(consoles[Run::guest]);
    return "CPU features that only the guest has:" + beyond(guest, native) +
           "; only the native system:" + beyond(native, guest) + ".\n";
}

Table make_table(const Consoles& consoles) {
    Table table{line("figure", "measured", "at most", "unit", ""), 0, 0};
    for (const Figure& figure : figures())
        add_row(table, figure, consoles);
    table.text +=
        "\n" + line("under Ravelin, against native", "more", "at most", "instructions", "");
    for (const Comparison& comparison : comparisons())
        add_row(table, comparison, consoles);
    table.text += feature_differences(consoles);
    return table;
}

} // namespace ravelin::bench

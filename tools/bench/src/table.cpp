// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/bench/table.hpp"

#include <array>
#include <charconv>
#include <cstdio>

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
                  "%-58s %14s %14s %-13s %s\n",
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

} // namespace

const std::vector<Figure>& figures() {
    constexpr u64 exit_limit = 350;
    static const std::vector<Figure> all{
        {"bench.exit.cpuid", "CPUID, round trip", "instructions", exit_limit},
        {"bench.exit.hypercall", "null hypercall, round trip", "instructions", exit_limit},
        {"bench.exit.port_out", "port write, round trip", "instructions", exit_limit},
        {"bench.exit.port_in", "port read, round trip", "instructions", exit_limit},
        {"bench.boot.instructions",
         "entry to first guest instruction, without copying etc.",
         "instructions",
         30'000'000},
        {"bench.boot.copying",
         "  left out: measuring, copying and scrubbing",
         "instructions",
         std::nullopt},
        {"bench.memory.used_kib", "memory beyond modules and page tables", "KiB", 12 * 1024},
        {"bench.count.world_switches", "world switches", "", std::nullopt},
        {"bench.count.tlb_flushes", "TLB flushes", "", std::nullopt},
        {"bench.count.iotlb_flushes", "IOTLB flushes", "", std::nullopt},
    };
    return all;
}

std::map<std::string, u64> read_values(std::string_view console) {
    std::map<std::string, u64> values;
    while (!console.empty()) {
        const std::size_t end = console.find('\n');
        const std::string_view text = console.substr(0, end);
        console.remove_prefix(end == std::string_view::npos ? console.size() : end + 1);
        const std::size_t start = text.find("bench.");
        const std::size_t colon = text.find(": ", start);
        if (start == std::string_view::npos || colon == std::string_view::npos)
            continue;
        const std::string_view number = text.substr(colon + 2);
        u64 value = 0;
        const auto parsed = std::from_chars(number.data(), number.data() + number.size(), value);
        if (parsed.ec == std::errc{})
            values[std::string{text.substr(start, colon - start)}] = value;
    }
    return values;
}

Table make_table(const std::map<std::string, u64>& values) {
    Table table{line("figure", "measured", "at most", "unit", ""), 0, 0};
    for (const Figure& figure : figures()) {
        const std::string limit = figure.limit ? grouped(*figure.limit) : "-";
        const auto found = values.find(std::string{figure.name});
        std::string measured = "-";
        std::string verdict = "MISSING";
        if (found == values.end()) {
            ++table.missing;
        } else {
            const bool exceeded = figure.limit && found->second > *figure.limit;
            table.exceeded += exceeded ? 1 : 0;
            measured = grouped(found->second);
            verdict = exceeded ? "EXCEEDED" : figure.limit ? "ok" : "";
        }
        table.text +=
            line(std::string{figure.title}, measured, limit, std::string{figure.unit}, verdict);
    }
    return table;
}

} // namespace ravelin::bench

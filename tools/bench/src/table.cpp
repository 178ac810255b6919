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
                  "%-42s %14s %14s %-13s %s\n",
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

/// Ticks until domain 0's first instruction less what the limit leaves out: "boot: 5 ticks until
/// ..., of which measuring 1, ...".
std::optional<u64> boot_figure(std::string_view console) {
    const auto part = [console](std::string_view before) {
        return read_figure(console, {"", "", std::nullopt, before, "boot: "});
    };
    const auto total = part("boot: ");
    u64 left_out = 0;
    for (const std::string_view name :
         {"measuring ", "copying ", "scrubbing ", "INIT/SIPI waits "}) {
        const auto ticks = part(name);
        if (!ticks)
            return std::nullopt;
        left_out += *ticks;
    }
    return total && *total >= left_out ? std::optional{*total - left_out} : std::nullopt;
}

} // namespace

const std::vector<Figure>& figures() {
    constexpr u64 exit_limit = 350;
    constexpr std::string_view boot = "boot: ";
    static const std::vector<Figure> all{
        {"CPUID, round trip", "instructions", exit_limit, "bench.exit.cpuid: "},
        {"null hypercall, round trip", "instructions", exit_limit, "bench.exit.hypercall: "},
        {"port write, round trip", "instructions", exit_limit, "bench.exit.port_out: "},
        {"port read, round trip", "instructions", exit_limit, "bench.exit.port_in: "},
        {"RDMSR, round trip", "instructions", 300, "bench.exit.rdmsr: "},
        {"x2APIC EOI, round trip", "instructions", exit_limit, "bench.exit.x2apic_eoi: "},
        {"set singleshot timer", "instructions", 700, "bench.exit.set_timer: "},
        {"yield", "instructions", 900, "bench.exit.yield: "},
        {"event to self, to its handler", "instructions", 1000, "bench.event.callback: "},
        {"the same by vector, with EOI", "instructions", 1800, "bench.event.vector_with_eoi: "},
        {"grant copy of 4 KiB, whole", "instructions", 2'500, "bench.grant.copy: "},
        {"grant map and unmap, whole", "instructions", 4'000, "bench.grant.map_and_unmap: "},
        {"entry to domain 0, without what follows", "instructions", 30'000'000, {}, {}},
        {"  measuring", "instructions", std::nullopt, "measuring ", boot},
        {"  copying", "instructions", std::nullopt, "copying ", boot},
        {"  scrubbing", "instructions", std::nullopt, "scrubbing ", boot},
        {"  INIT/SIPI waits", "instructions", std::nullopt, "INIT/SIPI waits ", boot},
        {"memory of the hypervisor", "KiB", 12 * 1024, "MiB free, ", "memory: "},
        {"world switches", "", std::nullopt, ": ", "world switches"},
        {"TLB flushes", "", std::nullopt, "world switches, ", "TLB flushes"},
        {"IOTLB flushes", "", std::nullopt, "TLB flushes, ", "IOTLB flushes"},
    };
    return all;
}

std::optional<u64> read_figure(std::string_view console, const Figure& figure) {
    if (figure.before.empty())
        return boot_figure(console);
    std::optional<u64> last;
    while (!console.empty()) {
        const std::size_t end = console.find('\n');
        const std::string_view text = console.substr(0, end);
        console.remove_prefix(end == std::string_view::npos ? console.size() : end + 1);
        const std::size_t at = text.rfind(figure.before);
        if (at == std::string_view::npos || text.find(figure.on_line) == std::string_view::npos)
            continue;
        const std::string_view number = text.substr(at + figure.before.size());
        u64 value = 0;
        if (std::from_chars(number.data(), number.data() + number.size(), value).ec == std::errc{})
            last = value;
    }
    return last;
}

Table make_table(std::string_view console) {
    Table table{line("figure", "measured", "at most", "unit", ""), 0, 0};
    for (const Figure& figure : figures()) {
        const std::string limit = figure.limit ? grouped(*figure.limit) : "-";
        const std::optional<u64> found = read_figure(console, figure);
        std::string measured = "-";
        std::string verdict = "MISSING";
        if (!found) {
            ++table.missing;
        } else {
            const bool exceeded = figure.limit && *found > *figure.limit;
            table.exceeded += exceeded ? 1 : 0;
            measured = grouped(*found);
            verdict = exceeded ? "EXCEEDED" : figure.limit ? "ok" : "";
        }
        table.text +=
            line(std::string{figure.title}, measured, limit, std::string{figure.unit}, verdict);
    }
    return table;
}

} // namespace ravelin::bench

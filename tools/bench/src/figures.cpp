// SPDX-License-Identifier: Apache-2.0
// The figures and their limits.
#include "tools/bench/table.hpp"

namespace ravelin::bench {
namespace {

/// Ticks until domain 0's first instruction less what the limit leaves out: "boot: 5 ticks until
/// ..., of which measuring 1, ...".
std::optional<u64> boot_figure(const Consoles& consoles) {
    const auto part = [&consoles](std::string_view before) {
        return read_number(consoles[Run::exits], before, "boot: ");
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
        {"CPUID, round trip", "instructions", 300, "bench.exit.cpuid: "},
        {"null hypercall, round trip", "instructions", 300, "bench.exit.hypercall: "},
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
        {.title = "entry to domain 0, without what follows",
         .unit = "instructions",
         .limit = 30'000'000,
         .before = {},
         .compute = boot_figure},
        {"  measuring", "instructions", std::nullopt, "measuring ", boot},
        {"  copying", "instructions", std::nullopt, "copying ", boot},
        {"  scrubbing", "instructions", std::nullopt, "scrubbing ", boot},
        {"  INIT/SIPI waits", "instructions", std::nullopt, "INIT/SIPI waits ", boot},
        {"memory of the hypervisor", "KiB", 12 * 1024, "MiB free, ", "memory: "},
        {"world switches", "", std::nullopt, ": ", "world switches"},
        {"TLB flushes", "", std::nullopt, "world switches, ", "TLB flushes"},
        {"IOTLB flushes", "", std::nullopt, "TLB flushes, ", "IOTLB flushes"},
        {"a 1 ms sleep in a guest ends late by",
         "instructions",
         15'000,
         "bench.sleep.late: ",
         {},
         Run::guest},
        {"  the same natively",
         "instructions",
         std::nullopt,
         "bench.sleep.late: ",
         {},
         Run::native},
        {"64 KiB read of a RAM disk of domain 0's",
         "instructions",
         160'000,
         "bench.device.block_read: ",
         {},
         Run::server},
        {"ping of domain 0", "instructions", 160'000, "bench.device.ping: ", {}, Run::server},
        // 100,000 turns of a loop of two: a guest's ticks are the machine's instructions.
        {"ticks of a guest's 200,000 instructions",
         "ticks",
         203'000,
         "bench.work.cpu: ",
         {},
         Run::guest,
         200'000},
    };
    return all;
}

const std::vector<Comparison>& comparisons() {
    constexpr auto work = [](std::string_view title, std::string_view before) {
        return Comparison{title, {Run::native, before}, {Run::guest, before}, 150};
    };
    constexpr std::string_view init = "bench.boot.init: ";
    constexpr std::string_view idle = "bench.boot.idle: ";
    constexpr std::string_view entered = "bench.start.entered: ";
    static const std::vector<Comparison> all{
        work("a loop of two instructions, 100,000 turns", "bench.work.cpu: "),
        work("fork and end of a process", "bench.work.fork: "),
        work("fork, exec and end of a process", "bench.work.exec: "),
        work("a byte through pipes and back", "bench.work.pipe: "),
        work("file made, written, read, removed", "bench.work.file: "),
        work("1 KiB over loopback TCP and back", "bench.work.tcp: "),
        // The firmware's part of a native boot ends where a small kernel is entered.
        {"Linux, from create's return to its init",
         {Run::native, init, Run::start, entered, idle},
         {Run::server, init, Run::server, "bench.linux.created: ", idle},
         500},
        {"small ELF, from create's call to its entry",
         {Run::start, entered},
         {Run::server, entered, Run::server, "bench.small.called: "},
         0},
    };
    return all;
}

} // namespace ravelin::bench

// SPDX-License-Identifier: Apache-2.0
#include <tools/bench/table.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ravelin::bench {
namespace {

using testing::HasSubstr;

constexpr const char* exits_console =
    "ravelin: memory: 2046 MiB, 2044 MiB free, 2652 KiB the hypervisor's own\n"
    "ravelin: boot: 1000 ticks until the first instruction of domain 0, of which "
    "measuring 300, copying 200, scrubbing 100, INIT/SIPI waits 50\n"
    "(d0) bench.exit.cpuid: 223\n"
    "(d0) bench.exit.cpuid_features: 999\n"
    "(d0) bench.exit.hypercall: 250\n"
    "(d0) bench.exit.port_out: 277\n"
    "(d0) bench.exit.port_in: 350\n"
    "(d0) bench.event.callback: 1000\n"
    "(d0) bench.event.vector_with_eoi: 1800\n"
    "(d0) bench.exit.x2apic_eoi: 350\n"
    "(d0) bench.exit.rdmsr: 300\n"
    "(d0) bench.exit.set_timer: 700\n"
    "(d0) bench.exit.yield: 900\n"
    "(d0) bench.grant.copy: 2500\n"
    "(d0) bench.grant.map_and_unmap: 4000\n"
    "ravelin: domain bench: 9000 world switches, 3 TLB flushes, 1 IOTLB flushes\n";

constexpr const char* native_console = "bench.work.cpu: 200000\n"
                                       "bench.work.fork: 10000\n"
                                       "bench.work.exec: 10000\n"
                                       "bench.work.pipe: 10000\n"
                                       "bench.work.file: 10000\n"
                                       "bench.work.tcp: 10000\n"
                                       "bench.boot.init: 1300\n"
                                       "bench.boot.idle: 100\n"
                                       "bench.sleep.late: 5000\n";
constexpr const char* server_console = "bench.start.entered: 5200\n"
                                       "bench.small.called: 5000\n"
                                       "bench.boot.init: 10050\n"
                                       "bench.boot.idle: 0\n"
                                       "bench.linux.created: 9000\n"
                                       "bench.device.block_read: 160000\n"
                                       "bench.device.ping: 160000\n";
constexpr const char* guest_console = "bench.work.cpu: 203000\n"
                                      "bench.work.fork: 10150\n"
                                      "bench.work.exec: 10149\n"
                                      "bench.work.pipe: 9900\n"
                                      "bench.work.file: 10000\n"
                                      "bench.work.tcp: 10001\n"
                                      "bench.sleep.late: 15000\n";

Consoles all_consoles() {
    Consoles consoles;
    consoles[Run::exits] = exits_console;
    consoles[Run::native] = native_console;
    consoles[Run::guest] = guest_console;
    consoles[Run::start] = "bench.start.entered: 200\n";
    consoles[Run::server] = server_console;
    return consoles;
}

std::optional<u64> figure(std::string_view title) {
    for (const Figure& candidate : figures())
        if (candidate.title.starts_with(title))
            return read_figure(all_consoles(), candidate);
    return std::nullopt;
}

std::optional<i64> comparison(std::string_view before) {
    for (const Comparison& candidate : comparisons())
        if (candidate.guest.end == before)
            return excess(all_consoles(), candidate);
    return std::nullopt;
}

TEST(ReadFigure, FindsEachOnTheConsole) {
    EXPECT_EQ(figure("CPUID"), 223U);
    EXPECT_EQ(figure("memory"), 2652U);
    EXPECT_EQ(figure("world switches"), 9000U);
    EXPECT_EQ(figure("TLB flushes"), 3U);
    EXPECT_EQ(figure("IOTLB flushes"), 1U);
}

TEST(ReadFigure, BootLeavesOutWhatTheLineNames) {
    EXPECT_EQ(figure("entry to domain 0"), 350U);
}

TEST(ReadFigure, GuestAndNativeAreToldApart) {
    EXPECT_EQ(figure("a 1 ms sleep"), 15'000U);
    EXPECT_EQ(figure("  the same natively"), 5'000U);
}

TEST(Excess, IsHundredthsOfAPercentOfNative) {
    EXPECT_EQ(comparison("bench.work.fork: "), 150);
    EXPECT_EQ(comparison("bench.work.pipe: "), -100);
    EXPECT_EQ(comparison("bench.work.tcp: "), 1);
    EXPECT_EQ(comparison("bench.boot.init: "), 500); // 1,050 against 1,300 - 200 - 100
    EXPECT_EQ(comparison("bench.start.entered: "), 0);
    EXPECT_EQ(excess(Consoles{}, comparisons().front()), std::nullopt);
}

TEST(Features, OfOneSystemOnlyAreNamed) {
    Consoles consoles;
    consoles[Run::native] = "bench.features: fpu vme mce\nbench.end\n";
    consoles[Run::guest] = "bench.features: fpu x2apic vme\nbench.end\n";
    EXPECT_EQ(feature_differences(consoles),
              "CPU features that only the guest has: x2apic; only the native system: mce.\n");
}

TEST(Table, LimitItselfIsWithin) {
    const Table table = make_table(all_consoles());
    EXPECT_EQ(table.exceeded, 0U) << table.text;
    EXPECT_EQ(table.missing, 0U) << table.text;
    EXPECT_THAT(table.text, HasSubstr("30,000,000"));
    EXPECT_THAT(table.text, HasSubstr("+1.50 %"));
    EXPECT_THAT(table.text, HasSubstr("of 200,000"));
}

TEST(Table, ExceededAndMissingAreCounted) {
    Consoles consoles;
    consoles[Run::exits] = "bench.exit.cpuid: 301\n";
    const Table table = make_table(consoles);
    EXPECT_EQ(table.exceeded, 1U);
    EXPECT_EQ(table.missing, figures().size() + comparisons().size() - 1);
    EXPECT_THAT(table.text, HasSubstr("EXCEEDED"));
    EXPECT_THAT(table.text, HasSubstr("MISSING"));
}

TEST(Table, GuestThatNeedsMoreIsExceeded) {
    Consoles consoles = all_consoles();
    consoles[Run::guest] += "bench.work.tcp: 10152\n";
    EXPECT_EQ(make_table(consoles).exceeded, 1U);
}

TEST(Table, ClockThatSkipsInstructionsIsExceeded) {
    Consoles consoles = all_consoles();
    consoles[Run::guest] += "bench.work.cpu: 199999\n";
    const Table table = make_table(consoles);
    EXPECT_EQ(table.exceeded, 1U);
    EXPECT_THAT(table.text, HasSubstr("IMPOSSIBLE"));
}

} // namespace
} // namespace ravelin::bench

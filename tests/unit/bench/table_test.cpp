// SPDX-License-Identifier: Apache-2.0
#include <tools/bench/table.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ravelin::bench {
namespace {

using testing::HasSubstr;

constexpr const char* console =
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

std::optional<u64> figure(std::string_view title) {
    for (const Figure& candidate : figures())
        if (candidate.title.starts_with(title))
            return read_figure(console, candidate);
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

TEST(Table, LimitItselfIsWithin) {
    const Table table = make_table(console);
    EXPECT_EQ(table.exceeded, 0U) << table.text;
    EXPECT_EQ(table.missing, 0U) << table.text;
    EXPECT_THAT(table.text, HasSubstr("30,000,000"));
}

TEST(Table, ExceededAndMissingAreCounted) {
    const Table table = make_table("bench.exit.cpuid: 351\n");
    EXPECT_EQ(table.exceeded, 1U);
    EXPECT_EQ(table.missing, figures().size() - 1);
    EXPECT_THAT(table.text, HasSubstr("EXCEEDED"));
    EXPECT_THAT(table.text, HasSubstr("MISSING"));
}

} // namespace
} // namespace ravelin::bench

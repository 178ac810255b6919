// SPDX-License-Identifier: Apache-2.0
#include <tools/bench/table.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ravelin::bench {
namespace {

using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

TEST(ReadValues, TakesNamedNumbersAndNothingElse) {
    EXPECT_THAT(read_values("boot: 5\n(d0) bench.exit.cpuid: 223\nbench.x: many\nbench.y: 7 KiB"),
                UnorderedElementsAre(Pair("bench.exit.cpuid", 223), Pair("bench.y", 7)));
}

std::map<std::string, u64> all_at_limit() {
    std::map<std::string, u64> values;
    for (const Figure& figure : figures())
        values[std::string{figure.name}] = figure.limit.value_or(1);
    return values;
}

TEST(Table, LimitItselfIsWithin) {
    const Table table = make_table(all_at_limit());
    EXPECT_EQ(table.exceeded, 0U);
    EXPECT_EQ(table.missing, 0U);
    EXPECT_THAT(table.text, HasSubstr("30,000,000"));
}

TEST(Table, ExceededAndMissingAreCounted) {
    auto values = all_at_limit();
    values["bench.exit.cpuid"] = 351;
    values.erase("bench.boot.instructions");
    const Table table = make_table(values);
    EXPECT_EQ(table.exceeded, 1U);
    EXPECT_EQ(table.missing, 1U);
    EXPECT_THAT(table.text, HasSubstr("EXCEEDED"));
    EXPECT_THAT(table.text, HasSubstr("MISSING"));
}

} // namespace
} // namespace ravelin::bench

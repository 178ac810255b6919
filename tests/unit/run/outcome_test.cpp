// SPDX-License-Identifier: Apache-2.0
#include <tools/run/outcome.hpp>

#include <gtest/gtest.h>

namespace ravelin::run {
namespace {

std::optional<End> end_on(std::string_view console) {
    const auto outcome = outcome_on_console(console, "guest");
    return outcome ? std::optional{outcome->end} : std::nullopt;
}

TEST(Outcome, IsReadFromRavelinsLines) {
    EXPECT_EQ(end_on("ravelin: domain 1 (guest): 64 MiB\nhello\n"), std::nullopt);
    EXPECT_EQ(end_on("ravelin: domain guest stopped: power off\n"), End::powered_off);
    EXPECT_EQ(end_on("ravelin: domain guest stopped: crash\n"), End::stopped);
    EXPECT_EQ(end_on("ravelin: domain guest stopped: reboot\n"), End::stopped);
    EXPECT_EQ(end_on("ravelin: REFUSED: guest: the kernel has no PVH entry\n"), End::could_not_run);
    EXPECT_EQ(end_on("ravelin: PANIC: a promise\n"), End::could_not_run);
    const auto fault = outcome_on_console(
        "ravelin: domain guest stopped: stopped by the hypervisor: triple fault\n", "guest");
    ASSERT_TRUE(fault);
    EXPECT_EQ(fault->words, "stopped by the hypervisor: triple fault");
}

TEST(Outcome, OtherDomainsAndUnfinishedLinesAreNotIt) {
    EXPECT_EQ(end_on("ravelin: domain guest2 stopped: crash\n"), std::nullopt);
    EXPECT_EQ(end_on("ravelin: domain guest stopped: power o"), std::nullopt);
    EXPECT_EQ(end_on("login: ravelin: domain guest stopped: crash\n"), End::stopped);
}

TEST(Outcome, LastWordCounts) {
    EXPECT_EQ(end_on("ravelin: domain guest stopped: power off\n" // the guest's own
                     "ravelin: domain guest stopped: crash\n"),
              End::stopped);
}

TEST(Outcome, OnlyPowerOffIsSuccess) {
    EXPECT_EQ(exit_status(End::powered_off), 0);
    for (const End end : {End::stopped, End::could_not_run, End::timed_out, End::left})
        EXPECT_NE(exit_status(end), 0);
}

} // namespace
} // namespace ravelin::run

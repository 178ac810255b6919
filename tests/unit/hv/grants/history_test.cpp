// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <random>
#include <support/grant_history.hpp>

namespace ravelin {
namespace {

TEST(History, nobody_ever_reaches_what_was_not_granted) {
    for (unsigned seed = 1; seed <= 60; ++seed) {
        std::mt19937 random{seed};
        test::GrantHistory history{[&random](u64 below) {
            return std::uniform_int_distribution<u64>{0, below - 1}(random);
        }};
        for (unsigned i = 0; i < 400; ++i) {
            ASSERT_TRUE(history.step()) << "seed " << seed << " step " << i;
            ASSERT_TRUE(history.holds()) << "seed " << seed << " step " << i;
        }
        EXPECT_TRUE(history.end()) << "seed " << seed;
    }
}

} // namespace
} // namespace ravelin

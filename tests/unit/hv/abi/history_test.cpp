// SPDX-License-Identifier: Apache-2.0
// Random histories of hypercalls of three domains: see support/hypercall_history.hpp.
#include <gtest/gtest.h>
#include <random>
#include <support/hypercall_history.hpp>

namespace ravelin {
namespace {

TEST(History, of_three_domains_touches_nobody_but_the_caller) {
    for (unsigned seed = 1; seed <= 40; ++seed) {
        std::mt19937_64 random{seed};
        test::HypercallHistory history{[&random](u64 below) { return random() % below; }};
        for (unsigned step = 0; step < 1000; ++step) {
            const char* const broken = history.step();
            ASSERT_EQ(broken, nullptr) << broken << ", seed " << seed << ", step " << step;
        }
        const char* const broken = history.finish();
        ASSERT_EQ(broken, nullptr) << broken << ", seed " << seed;
    }
}

} // namespace
} // namespace ravelin

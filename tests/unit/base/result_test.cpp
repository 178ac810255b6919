// SPDX-License-Identifier: Apache-2.0
// Result: unwrapping, error conversion through RAVELIN_TRY, move-only values.
#include <base/result.hpp>

#include <gtest/gtest.h>
#include <memory>

namespace ravelin {
namespace {

enum class Fault { first, second };

Result<int, Fault> half(int value) {
    if (value % 2 != 0)
        return Failure{Fault::first};
    return value / 2;
}
Result<int, Fault> quarter(int value) {
    return RAVELIN_TRY(half(RAVELIN_TRY(half(value))));
}

TEST(Result, TryUnwrapsOrReturnsTheError) {
    EXPECT_EQ(quarter(8).value(), 2);
    EXPECT_EQ(quarter(6).error(), Fault::first);
}

TEST(Result, HoldsMoveOnlyValues) {
    Result<std::unique_ptr<int>, Fault> result{std::make_unique<int>(7)};
    auto moved = std::move(result);
    EXPECT_EQ(*std::move(moved).value(), 7);
}

TEST(ResultDeathTest, ValueOfAnErrorNeverContinues) {
    const Result<int, Fault> result = Failure{Fault::second};
    EXPECT_DEATH((void)result.value(), "");
}

} // namespace
} // namespace ravelin

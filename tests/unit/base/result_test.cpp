// SPDX-License-Identifier: Apache-2.0
// Result: unwrapping, error conversion through RAVELIN_TRY, move-only values.
#include <base/result.hpp>

#include <gtest/gtest.h>
#include <initializer_list>
#include <memory>
#include <vector>

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

/// As JSON libraries do it: braces around a Tree make a tree whose only child it is.
struct Tree {
    Tree() = default;
    Tree(std::initializer_list<Tree> list) : children{list} {}
    std::vector<Tree> children;
};

TEST(Result, DoesNotWrapWhatTakesAListOfItself) {
    const Tree leaf;
    EXPECT_TRUE((Result<Tree, Fault>{leaf}).value().children.empty());
    EXPECT_TRUE((Result<Tree, Fault>(Tree())).value().children.empty());
    const Result<Fault, Tree> failed = Failure<Tree>{leaf};
    EXPECT_TRUE(failed.error().children.empty());
    const Result<Tree, Fault> copy{Result<Tree, Fault>{leaf}};
    EXPECT_TRUE(copy.value().children.empty());
}

TEST(ResultDeathTest, ValueOfAnErrorNeverContinues) {
    const Result<int, Fault> result = Failure{Fault::second};
    EXPECT_DEATH((void)result.value(), "");
}

} // namespace
} // namespace ravelin

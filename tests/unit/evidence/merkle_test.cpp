// SPDX-License-Identifier: Apache-2.0
// Every leaf of every tree up to a size proves itself, and nothing else does.
#include <evidence/merkle.hpp>
#include <gtest/gtest.h>
#include <vector>

namespace ravelin::evidence {
namespace {

std::vector<Hash> leaves(usize count) {
    std::vector<Hash> out;
    for (usize i = 0; i < count; ++i) {
        const std::array<u8, 2> statement{static_cast<u8>(i), static_cast<u8>(i >> 8)};
        out.push_back(leaf(statement));
    }
    return out;
}

TEST(Merkle, OneLeafIsTheRoot) {
    auto one = leaves(1);
    const Hash only = one[0];
    Path path;
    EXPECT_EQ(root_in_place(one, 0, path), only);
    EXPECT_TRUE(path.empty());
    EXPECT_EQ(root_of(only, 0, 1, {}), only);
}

TEST(Merkle, EveryLeafProvesItself) {
    for (usize count = 1; count <= 40; ++count) {
        auto scratch = leaves(count);
        const Hash root = root_in_place(scratch);
        for (usize index = 0; index < count; ++index) {
            Path path;
            auto copy = leaves(count);
            EXPECT_EQ(root_in_place(copy, index, path), root);
            const auto all = leaves(count);
            EXPECT_EQ(root_of(all[index], index, count, path.span()), root);
            // Another place, another count, another leaf, a longer or shorter path: not the root.
            for (usize other = 0; other < count; ++other)
                if (other != index) {
                    EXPECT_NE(root_of(all[other], index, count, path.span()), root);
                    EXPECT_NE(root_of(all[index], other, count, path.span()), root);
                }
            Path longer = path;
            ASSERT_TRUE(longer.push_back(root));
            EXPECT_FALSE(root_of(all[index], index, count, longer.span()));
            if (!path.empty()) {
                EXPECT_FALSE(root_of(all[index], index, count, path.span().first(path.size() - 1)));
            }
            EXPECT_FALSE(root_of(all[index], count, count, path.span()));
        }
    }
}

TEST(Merkle, CountGoesIntoTheQualifyingData) {
    const Hash root{};
    EXPECT_NE(qualifying_data(1, root), qualifying_data(2, root));
}

TEST(Merkle, TheLargestTreeHasAPathThatFits) {
    auto all = leaves(max_leaves);
    Path path;
    (void)root_in_place(all, max_leaves - 1, path);
    EXPECT_EQ(path.size(), max_path);
}

} // namespace
} // namespace ravelin::evidence

// SPDX-License-Identifier: Apache-2.0
// SINIT's walk of the launcher's page table: what it measures, and everything it refuses.
#include "fake_memory.hpp"

#include <tools/txt/mle.hpp>

#include <gtest/gtest.h>

namespace ravelin::tools::txt {
namespace {

constexpr u64 base = 0x80'0000;
constexpr u64 root = base;
constexpr u64 directory = base + 0x1000;
constexpr u64 table = base + 0x2000;
constexpr u64 first_page = base + 0x4000;
constexpr u64 pages = 3;
constexpr u64 size = pages * 4096;
constexpr u64 header = 0x1100;
constexpr std::array<u8, 16> id{
    0x5a, 0xac, 0x82, 0x90, 0x6f, 0x47, 0xa7, 0x74, 0x0f, 0x5c, 0x55, 0xa2, 0xcb, 0x51, 0xb6, 0x42};

class MleTest : public testing::Test {
  protected:
    MleTest() {
        memory.put64(root, directory | 1);
        memory.put64(directory, table | 1);
        for (u64 i = 0; i < pages; ++i) {
            memory.put64(table + 8 * i, (first_page + i * 0x2000) | 1);
            memory.put32(first_page + i * 0x2000, static_cast<u32>(0xa0 + i));
        }
        const u64 at = first_page + 0x2000 + 0x100; // linear 0x1100
        EXPECT_TRUE(memory.write(at, id));
        memory.put32(at + 20, 0x2'0001); // version
        memory.put32(at + 24, 0x2010);   // entry
        memory.put32(at + 40, 0x627);    // capabilities
    }
    auto read(u64 mle_size = size, ProtectedMemory allowed = {base, 0x10'0000}) {
        return read_mle(memory, root, mle_size, header, 0x2'0001, allowed);
    }
    MleError error() {
        const auto result = read();
        EXPECT_FALSE(result);
        return result ? MleError{} : result.error();
    }

    FakeMemory memory{base, 0x10'0000};
};

TEST_F(MleTest, PagesInLinearOrder) {
    const auto mle = read();
    ASSERT_TRUE(mle);
    EXPECT_EQ(mle.value().bytes.size(), size);
    for (u64 i = 0; i < pages; ++i)
        EXPECT_EQ(mle.value().bytes[i * 4096], 0xa0 + i);
    EXPECT_EQ(mle.value().entry, first_page + 2 * 0x2000 + 0x10);
    EXPECT_EQ(mle.value().capabilities, 0x627U);
}

TEST_F(MleTest, APartOfTheLastPage) {
    const auto mle = read(size - 1000);
    ASSERT_TRUE(mle);
    EXPECT_EQ(mle.value().bytes.size(), size - 1000);
}

TEST_F(MleTest, AbsentPagesAndTables) {
    for (const u64 entry : {root, directory, table, table + 16}) {
        const u64 before = *memory.read64(entry);
        memory.put64(entry, before & ~1ULL);
        EXPECT_EQ(error(), MleError::unmapped);
        memory.put64(entry, 0xffff'f000 | 1); // outside RAM
        EXPECT_FALSE(read());
        memory.put64(entry, before);
    }
}

TEST_F(MleTest, LargePage) {
    memory.put64(directory, base | 0x81);
    EXPECT_EQ(error(), MleError::large_page);
}

TEST_F(MleTest, PagesMustAscend) {
    memory.put64(table + 8, first_page | 1);
    EXPECT_EQ(error(), MleError::not_ascending);
}

TEST_F(MleTest, PagesMustBeProtectedFromDma) {
    const auto result = read(size, {base, first_page + 2 * 0x2000 - base});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error(), MleError::outside_protected);
}

TEST_F(MleTest, Sizes) {
    for (const u64 bad : {0ULL, (1ULL << 30) + 1, ~0ULL}) {
        const auto result = read(bad);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error(), MleError::bad_size);
    }
}

TEST_F(MleTest, Header) {
    const u64 at = first_page + 0x2000 + 0x100;
    memory.put32(at + 20, 0x2'0000);
    EXPECT_EQ(error(), MleError::old_version);
    memory.put32(at + 20, 0x2'0001);
    memory.put32(at + 24, static_cast<u32>(size));
    EXPECT_EQ(error(), MleError::bad_entry);
    memory.put32(at, 0);
    EXPECT_EQ(error(), MleError::no_header);
}

} // namespace
} // namespace ravelin::tools::txt

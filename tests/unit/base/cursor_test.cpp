// SPDX-License-Identifier: Apache-2.0
// Byte cursors: bounds, byte order, sticky overflow.
#include <base/cursor.hpp>

#include <array>
#include <gtest/gtest.h>

namespace ravelin {
namespace {

TEST(Reader, ReadsBothByteOrders) {
    constexpr std::array<u8, 4> bytes{0x12, 0x34, 0x56, 0x78};
    EXPECT_EQ(LittleReader{bytes}.integer<u32>().value(), 0x78563412u);
    EXPECT_EQ(BigReader{bytes}.integer<u32>().value(), 0x12345678u);
}

TEST(Reader, RefusesToReadPastTheEndAndStaysWhereItWas) {
    constexpr std::array<u8, 3> bytes{1, 2, 3};
    LittleReader reader{bytes};
    const auto word = reader.integer<u32>();
    ASSERT_FALSE(word);
    EXPECT_EQ(word.error(), CursorError::truncated);
    EXPECT_EQ(reader.remaining(), 3u);
}

TEST(Reader, TrailingBytesAreAnError) {
    constexpr std::array<u8, 2> bytes{1, 2};
    LittleReader reader{bytes};
    (void)reader.byte();
    const auto end = reader.expect_end();
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error(), CursorError::trailing);
}

TEST(Writer, RoundTripsAndPatches) {
    std::array<u8, 8> buffer{};
    BigWriter writer{buffer};
    writer.integer(u16{0}).integer(u32{0xdeadbeef});
    writer.patch<u16>(0, 6);
    const auto out = writer.finish();
    ASSERT_TRUE(out);
    BigReader reader{out.value()};
    EXPECT_EQ(reader.integer<u16>().value(), 6u);
    EXPECT_EQ(reader.integer<u32>().value(), 0xdeadbeefu);
    EXPECT_TRUE(reader.expect_end());
}

TEST(Writer, OverflowIsStickyAndReported) {
    std::array<u8, 3> buffer{};
    LittleWriter writer{buffer};
    writer.integer(u16{1}).integer(u16{2}).integer(u8{3});
    EXPECT_FALSE(writer.finish());
    EXPECT_EQ(buffer[2], 0);
}

} // namespace
} // namespace ravelin

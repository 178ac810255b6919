// SPDX-License-Identifier: Apache-2.0
// Address spaces stay apart, at compile time.
#include <base/bits.hpp>
#include <base/fixed_vector.hpp>
#include <base/types.hpp>

#include <gtest/gtest.h>
#include <type_traits>

namespace ravelin {
namespace {

static_assert(!std::is_convertible_v<GuestPhysical, HostPhysical>);
static_assert(!std::is_constructible_v<HostPhysical, GuestPhysical>);
static_assert(!std::is_convertible_v<u64, HostPhysical>);
static_assert(!std::is_constructible_v<HostFrame, HostPhysical>);
static_assert(sizeof(HostPhysical) == 8);

TEST(Address, AlignsAndFrames) {
    constexpr HostPhysical address{0x12345};
    EXPECT_EQ(HostFrame::of(address).raw(), 0x12u);
    EXPECT_EQ(address.align_up(page_size).raw(), 0x13000u);
    EXPECT_EQ(address.page_offset(), 0x345u);
}

TEST(PciAddress, SourceIdRoundTrips) {
    constexpr PciAddress address{0, 0x3a, 31, 7};
    EXPECT_EQ(PciAddress::from_source_id(0, address.source_id()), address);
}

TEST(BitField, SetsOnlyItsBits) {
    using Field = BitField<u32, 11, 4>;
    EXPECT_EQ(Field::set(0xffffffffu, 0), 0xfffff00fu);
    EXPECT_EQ(Field::get(0xab0), 0xabu);
    EXPECT_EQ(Field::of(0x1ff), 0xff0u);
}

TEST(FixedVector, SaysWhenItIsFull) {
    FixedVector<int, 2> v;
    EXPECT_TRUE(v.push_back(1));
    EXPECT_TRUE(v.push_back(2));
    EXPECT_FALSE(v.push_back(3));
    EXPECT_EQ(v.size(), 2u);
}

} // namespace
} // namespace ravelin

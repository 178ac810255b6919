// SPDX-License-Identifier: Apache-2.0
// The bitmaps guests run under: every port exits, and every MSR but those switched with the guest.
#include "bitmaps.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace ravelin::hv::vmx {
namespace {

bool exits(const MsrBitmap& map, usize bit) {
    return (map[bit / 8] >> (bit % 8) & 1) != 0;
}

TEST(MsrBitmap, OpensExactlyWhatIsSwitched) {
    constexpr usize writes = 2048 * 8;
    const MsrBitmap map = make_msr_bitmap();
    usize open = 0;
    for (usize bit = 0; bit < map.size() * 8; ++bit)
        open += exits(map, bit) ? 0u : 1u;
    EXPECT_EQ(open, (vmcs_msrs.size() + LazyState::msrs.size()) * 2 + 1);
    EXPECT_FALSE(exits(map, *msr_bit(0x10))) << "the time stamp counter is read";
    EXPECT_TRUE(exits(map, *msr_bit(0x10) + writes)) << "and not written";
    for (const u32 msr : {0xc000'0080u, 0x1bu, 0x3au, 0x480u, 0x1d9u, 0x800u}) {
        EXPECT_TRUE(exits(map, *msr_bit(msr))) << msr;
        EXPECT_TRUE(exits(map, *msr_bit(msr) + writes)) << msr;
    }
    EXPECT_FALSE(exits(map, 0x400 * 8 + 0x100)) << "FS_BASE: [SDM vol3 25.6.9]";
    EXPECT_FALSE(msr_bit(0x4000'0000)) << "exits unconditionally";
}

TEST(IoBitmaps, EveryPortExits) {
    const IoBitmaps map = make_io_bitmaps();
    EXPECT_TRUE(std::all_of(map.begin(), map.end(), [](u8 byte) { return byte == 0xff; }));
}

} // namespace
} // namespace ravelin::hv::vmx

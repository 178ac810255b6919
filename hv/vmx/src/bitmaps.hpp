// SPDX-License-Identifier: Apache-2.0
// The bitmaps every guest runs under. I/O: every port exits. MSRs: every one exits except those
// that are switched with the guest, which it may use freely. [SDM vol3 25.6.4, 25.6.9]
#pragma once

#include <hv/vmx/lazy_state.hpp>

#include <optional>

namespace ravelin::hv::vmx {

using IoBitmaps = std::array<u8, 2 * page_size>; ///< A: ports 0-7fffh, B: the rest
using MsrBitmap = std::array<u8, page_size>;

/// MSRs of the VMCS's guest-state area whose every value is harmless to the host.
inline constexpr std::array<u32, 6> vmcs_msrs{
    0x174,       // SYSENTER_CS
    0x175,       // SYSENTER_ESP
    0x176,       // SYSENTER_EIP
    0x277,       // PAT
    0xc000'0100, // FS_BASE
    0xc000'0101, // GS_BASE
};
inline constexpr u32 msr_tsc = 0x10; ///< reads only: it has the offset applied

/// The bit of an MSR's read intercept; its write intercept is 2048 bytes further.
[[nodiscard]] constexpr std::optional<usize> msr_bit(u32 msr) {
    constexpr u32 range = 0x2000;
    if (msr < range)
        return msr;
    if (msr >= 0xc000'0000 && msr < 0xc000'0000 + range)
        return 0x400 * 8 + (msr - 0xc000'0000);
    return std::nullopt;
}

[[nodiscard]] constexpr MsrBitmap make_msr_bitmap() {
    constexpr usize writes = 0x800 * 8;
    MsrBitmap map{};
    map.fill(0xff);
    const auto clear = [&map](usize bit) {
        map[bit / 8] = static_cast<u8>(map[bit / 8] & ~(1u << bit % 8));
    };
    const auto open = [&clear](u32 msr) {
        clear(*msr_bit(msr));
        clear(*msr_bit(msr) + writes);
    };
    for (const u32 msr : vmcs_msrs)
        open(msr);
    for (const u32 msr : LazyState::msrs)
        open(msr);
    clear(*msr_bit(msr_tsc));
    return map;
}

[[nodiscard]] constexpr IoBitmaps make_io_bitmaps() {
    IoBitmaps map{};
    map.fill(0xff);
    return map;
}

} // namespace ravelin::hv::vmx

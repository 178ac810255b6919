// SPDX-License-Identifier: Apache-2.0
// The permission maps every guest runs under. I/O: every port exits. MSRs: every one exits except
// those the VMCB switches, which a guest may use freely because the host's values are restored.
// [AMD APM vol2 15.10.1, 15.11]
#pragma once

#include <base/types.hpp>

#include <array>
#include <optional>

namespace ravelin::hv::svm {

using IoPermissionMap = std::array<u8, 3 * page_size>;
using MsrPermissionMap = std::array<u8, 2 * page_size>;

/// MSRs that VMRUN or VMLOAD switch and whose every value is harmless to the host.
inline constexpr std::array<u32, 12> free_msrs{
    0x174,       // SYSENTER_CS
    0x175,       // SYSENTER_ESP
    0x176,       // SYSENTER_EIP
    0x277,       // PAT: G_PAT under nested paging
    0xc000'0081, // STAR
    0xc000'0082, // LSTAR
    0xc000'0083, // CSTAR
    0xc000'0084, // SFMASK
    0xc000'0100, // FS.Base
    0xc000'0101, // GS.Base
    0xc000'0102, // KernelGSBase
    0x10,        // TSC: reads only, see below
};
inline constexpr u32 msr_tsc = 0x10;

/// The bit of an MSR's read intercept in the map; the write intercept is the next bit.
[[nodiscard]] constexpr std::optional<usize> msr_bit(u32 msr) {
    constexpr u32 range = 0x2000;
    if (msr < range)
        return usize{msr} * 2;
    if (msr >= 0xc000'0000 && msr < 0xc000'0000 + range)
        return 0x800 * 8 + usize{msr - 0xc000'0000} * 2;
    if (msr >= 0xc001'0000 && msr < 0xc001'0000 + range)
        return 0x1000 * 8 + usize{msr - 0xc001'0000} * 2;
    return std::nullopt;
}

[[nodiscard]] constexpr MsrPermissionMap make_msr_permission_map() {
    MsrPermissionMap map{};
    map.fill(0xff);
    for (const u32 msr : free_msrs) {
        const usize bit = *msr_bit(msr);
        const u8 intercepts = msr == msr_tsc ? 1 : 3;
        map[bit / 8] = static_cast<u8>(map[bit / 8] & ~(intercepts << bit % 8));
    }
    return map;
}

[[nodiscard]] constexpr IoPermissionMap make_io_permission_map() {
    IoPermissionMap map{};
    map.fill(0xff);
    return map;
}

} // namespace ravelin::hv::svm

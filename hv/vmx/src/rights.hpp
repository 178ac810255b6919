// SPDX-License-Identifier: Apache-2.0
// Segments' access rights, between cpu::Segment and a VMCS. [SDM vol3 25.4.1]
#pragma once

#include <base/int.hpp>

namespace ravelin::hv::vmx {

constexpr u32 rights_unusable = 1u << 16;
constexpr u32 rights_present = 1u << 7;

/// AVL, L, D/B and G are four bits lower in cpu::Segment. A segment that is not usable is not
/// present, whatever its rights were.
[[nodiscard]] constexpr u16 from_rights(u32 rights) {
    if ((rights & rights_unusable) != 0)
        rights &= ~rights_present;
    return static_cast<u16>((rights & 0xffu) | ((rights >> 4) & 0xf00u));
}

} // namespace ravelin::hv::vmx

// SPDX-License-Identifier: Apache-2.0
// One shared entry as a word: flags, the domain it grants to, the guest frame it grants.
// [xen/grant_table.h, struct grant_entry_v1]
#pragma once

#include <base/types.hpp>

namespace ravelin::hv::grants::entry {

// GTF_*
constexpr u64 type_mask = 3;
constexpr u64 permit_access = 1;
constexpr u64 readonly = 1 << 2;
constexpr u64 reading = 1 << 3;
constexpr u64 writing = 1 << 4;

constexpr u64 most_page = 0xffff'ffff;

[[nodiscard]] constexpr u64 permit(DomainId to, GuestFrame page) {
    return permit_access | u64{to.raw()} << 16 | page.raw() << 32;
}
[[nodiscard]] constexpr DomainId grantee(u64 word) {
    return DomainId{static_cast<u16>(word >> 16)};
}
[[nodiscard]] constexpr u32 page(u64 word) {
    return static_cast<u32>(word >> 32);
}
static_assert(permit(DomainId{0x1234}, GuestFrame{0x89abcdef}) == 0x89abcdef'1234'0001);

} // namespace ravelin::hv::grants::entry

// SPDX-License-Identifier: Apache-2.0
// The attestation keys, to the bit: AK-S of an SRTM launch, AK-D of a DRTM launch. The hypervisor
// creates them from these templates, and a verifier accepts a key of exactly the launch's template
// only. [TPM 2.0 part 2, 12.2.4]
#pragma once

#include <base/types.hpp>
#include <wire/tpm.hpp>

#include <array>
#include <span>
#include <string_view>

namespace ravelin::wire::attestation_key {

/// SHA-256(0^32 ‖ TPM_CC_PolicyCommandCode ‖ TPM_CC_Quote): how the hypervisor uses AK-S.
constexpr std::array<u8, 32> quote_policy{
    0xa0, 0x39, 0xca, 0xd5, 0xfe, 0x68, 0x87, 0x06, 0x88, 0xf8, 0x23, 0x3c, 0x3e, 0x3e, 0xe3, 0xcf,
    0x27, 0xaa, 0xc9, 0xe2, 0xef, 0xe3, 0x48, 0x6a, 0xeb, 0x4e, 0x30, 0x4c, 0x0e, 0x90, 0xcd, 0x27};

/// SHA-256(0^32 ‖ TPM_CC_PolicyCommandCode ‖ TPM_CC_ActivateCredential): how a domain enrols
/// either.
constexpr std::array<u8, 32> activate_policy{
    0xe5, 0x87, 0xc1, 0x1a, 0xb5, 0x0f, 0x9d, 0x87, 0x30, 0xf7, 0x21, 0xe3, 0xfe, 0xa4, 0x2b, 0x46,
    0xc0, 0x45, 0x5b, 0x24, 0x6f, 0x96, 0xae, 0xe8, 0x5d, 0x18, 0xeb, 0x3b, 0xe6, 0x4d, 0x66, 0x6a};

/// SHA-256(0^32 ‖ TPM_CC_PolicyOR ‖ quote_policy ‖ activate_policy).
constexpr std::array<u8, 32> policy{
    0x7f, 0xb1, 0x35, 0x28, 0xac, 0xd6, 0x9e, 0x0c, 0x56, 0x6d, 0x1f, 0x78, 0x5f, 0xfa, 0x69, 0x3d,
    0xea, 0x54, 0xc6, 0x6d, 0x4b, 0x3a, 0x0f, 0x1d, 0xb8, 0xe8, 0x2c, 0x9a, 0x5a, 0x59, 0x3a, 0x4c};

/// Of both: fixedTPM, fixedParent, sensitiveDataOrigin, adminWithPolicy, restricted, sign;
/// userWithAuth clear: there is no password, and nothing but the policy opens the key.
constexpr u32 attributes = 0x000500b2;

/// Parent: the endorsement hierarchy, so that a key is the same after each start and goes with
/// the EK.
constexpr tpm::Handle hierarchy = tpm::handle_endorsement;

/// The locality of a measured environment, as TPM2_PolicyLocality takes it: a mask, bit 2 for
/// locality 2. The value 2 would mean locality 1. [part 2, 8.5]
constexpr u8 dynamic_locality_mask = 0x04;

/// SHA-256(SHA-256(0^32 ‖ TPM_CC_PolicyLocality ‖ 0x04) ‖ TPM_CC_PolicyCommandCode ‖ TPM_CC_Quote):
/// how the hypervisor uses AK-D.
constexpr std::array<u8, 32> dynamic_quote_policy{
    0xe5, 0xa2, 0x82, 0x35, 0xc7, 0x95, 0xf6, 0x23, 0x27, 0x32, 0xa7, 0x1a, 0xf5, 0xfb, 0x73, 0xbb,
    0x90, 0xc4, 0x12, 0x3d, 0xa0, 0xb6, 0x32, 0x7f, 0xae, 0x58, 0x12, 0x99, 0xbe, 0x1b, 0xb6, 0x24};

/// SHA-256(0^32 ‖ TPM_CC_PolicyOR ‖ dynamic_quote_policy ‖ activate_policy).
constexpr std::array<u8, 32> dynamic_policy{
    0xc4, 0x08, 0xdf, 0x0d, 0x19, 0x2e, 0x00, 0xf4, 0x0a, 0xa5, 0x3d, 0xf2, 0xfe, 0x0b, 0xf4, 0x88,
    0x76, 0xfc, 0xdb, 0x92, 0x9e, 0x70, 0x62, 0xd6, 0x92, 0x85, 0x1e, 0x2d, 0x4f, 0x78, 0x60, 0x84};

/// TPMT_PUBLIC up to and without `unique`: ECC, SHA-256, no symmetric, ECDSA with SHA-256, P-256,
/// no KDF.
constexpr usize prefix_size = 52;
constexpr usize public_size = prefix_size + 2 * (2 + 32);

/// One key's template: unique.x is the name padded with zeros, unique.y is zero.
struct Template {
    std::string_view name;
    std::array<u8, 32> quote_policy;
    std::array<u8, public_size> public_area;

    constexpr Template(std::string_view key_name,
                       const std::array<u8, 32>& quote,
                       const std::array<u8, 32>& auth_policy)
        : name{key_name}, quote_policy{quote}, public_area{} {
        constexpr std::array<u8, 10> before{0x00,
                                            0x23,
                                            0x00,
                                            0x0b,
                                            attributes >> 24,
                                            attributes >> 16 & 0xff,
                                            0,
                                            attributes & 0xff,
                                            0x00,
                                            0x20};
        constexpr std::array<u8, 10> behind{
            0x00, 0x10, 0x00, 0x18, 0x00, 0x0b, 0x00, 0x03, 0x00, 0x10};
        usize at = 0;
        for (const u8 byte : before)
            public_area[at++] = byte;
        for (const u8 byte : auth_policy)
            public_area[at++] = byte;
        for (const u8 byte : behind)
            public_area[at++] = byte;
        public_area[at + 1] = 32;
        constexpr std::string_view owner{"Ravelin "};
        for (usize i = 0; i < owner.size(); ++i)
            public_area[at + 2 + i] = static_cast<u8>(owner[i]);
        for (usize i = 0; i < name.size(); ++i)
            public_area[at + 2 + owner.size() + i] = static_cast<u8>(name[i]);
        public_area[at + 2 + 32 + 1] = 32;
    }
    /// Is this TPMT_PUBLIC of a key made from the template? Then its point has 32-byte coordinates.
    [[nodiscard]] constexpr bool matches(std::span<const u8> area) const {
        if (area.size() != public_area.size())
            return false;
        for (usize i = 0; i < prefix_size; ++i)
            if (area[i] != public_area[i])
                return false;
        constexpr usize y = prefix_size + 2 + 32;
        return area[prefix_size] == 0 && area[prefix_size + 1] == 32 && area[y] == 0 &&
               area[y + 1] == 32;
    }
};

inline constexpr Template ak_s{"AK-S", quote_policy, policy};
inline constexpr Template ak_d{"AK-D", dynamic_quote_policy, dynamic_policy};
static_assert(ak_s.matches(ak_s.public_area) && ak_d.matches(ak_d.public_area));
static_assert(!ak_s.matches(ak_d.public_area) && !ak_d.matches(ak_s.public_area));

/// The template that such a key was made from; none of Ravelin's: null.
[[nodiscard]] constexpr const Template* template_of(std::span<const u8> public_area) {
    for (const Template* candidate : {&ak_s, &ak_d})
        if (candidate->matches(public_area))
            return candidate;
    return nullptr;
}

} // namespace ravelin::wire::attestation_key

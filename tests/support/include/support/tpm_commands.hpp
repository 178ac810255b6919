// SPDX-License-Identifier: Apache-2.0
// TPM commands as a domain would write them, byte by byte, right or wrong: for the unit tests and
// for the programs that attack from inside a domain.
#pragma once

#include <base/int.hpp>

#include <span>
#include <vector>

namespace ravelin::test {

using ByteVector = std::vector<u8>;

inline ByteVector big(u64 value, unsigned size) {
    ByteVector out;
    for (unsigned i = size; i-- > 0;)
        out.push_back(static_cast<u8>(value >> (8 * i)));
    return out;
}
inline ByteVector operator+(ByteVector a, const ByteVector& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}
inline ByteVector sized(const ByteVector& bytes) {
    return big(bytes.size(), 2) + bytes;
}
inline ByteVector command(u16 tag, u32 code, const ByteVector& rest) {
    return big(tag, 2) + big(rest.size() + 10, 4) + big(code, 4) + rest;
}
inline ByteVector plain(u32 code, const ByteVector& rest = {}) {
    return command(0x8001, code, rest);
}
inline ByteVector authorisation(u32 session, u8 attributes = 0) {
    return big(session, 4) + big(0, 2) + big(attributes, 1) + big(0, 2);
}
constexpr u32 password = 0x4000'0009;
/// Handles, then the authorisations (password unless told otherwise), then parameters.
inline ByteVector authorised(u32 code,
                             const std::vector<u32>& handles,
                             const ByteVector& parameters,
                             const ByteVector& authorisations = authorisation(password)) {
    ByteVector rest;
    for (const u32 handle : handles)
        rest = rest + big(handle, 4);
    rest = rest + big(authorisations.size(), 4) + authorisations + parameters;
    return command(0x8002, code, rest);
}

constexpr u32 endorsement = 0x4000'000b;
constexpr u32 owner = 0x4000'0001;

/// An ECC P-256 public area: attributes and policy as given.
inline ByteVector ecc_public(u32 attributes, const ByteVector& policy, bool storage) {
    const ByteVector symmetric = storage ? big(6, 2) + big(128, 2) + big(0x43, 2) : big(0x10, 2);
    const bool restricted_signing = !storage;
    const ByteVector scheme = restricted_signing ? big(0x18, 2) + big(0xb, 2) : big(0x10, 2);
    return big(0x23, 2) + big(0xb, 2) + big(attributes, 4) + sized(policy) + symmetric + scheme +
           big(3, 2) + big(0x10, 2) + sized(ByteVector(32)) + sized(ByteVector(32));
}
inline ByteVector create_primary(u32 hierarchy, const ByteVector& public_area) {
    return authorised(
        0x131, {hierarchy}, big(4, 2) + big(0, 4) + sized(public_area) + big(0, 2) + big(0, 4));
}
/// A storage key anyone may use.
inline ByteVector storage_template() {
    return ecc_public(0x0003'0472, {}, true);
}
/// The ECC endorsement key of the EK profile (template L-2), whose policy is
/// PolicySecret(endorsement).
inline ByteVector endorsement_template() {
    return ecc_public(0x0003'00b2,
                      {0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc,
                       0x8d, 0x46, 0xa5, 0xd7, 0x24, 0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52,
                       0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa},
                      true);
}
/// A restricted signing key with an empty password: what domain 0 must never get.
inline ByteVector signing_template() {
    return ecc_public(0x0005'0472, {}, false);
}
inline ByteVector start_session(u8 type) {
    return plain(0x176,
                 big(0x4000'0007, 4) + big(0x4000'0007, 4) + sized(ByteVector(16)) + big(0, 2) +
                     big(type, 1) + big(0x10, 2) + big(0xb, 2));
}
inline ByteVector flush(u32 handle) {
    return plain(0x165, big(handle, 4));
}

inline u32 word(std::span<const u8> bytes, usize at) {
    u32 value = 0;
    for (usize i = 0; i < 4; ++i)
        value = value << 8 | bytes[at + i];
    return value;
}
inline u32 code_of(std::span<const u8> response) {
    return word(response, 6);
}

} // namespace ravelin::test

// SPDX-License-Identifier: Apache-2.0
// SHA-1. [FIPS 180-4, 6.1]
#include "crypto/sha.hpp"
#include "sha2.hpp"

namespace ravelin::crypto {

namespace {

/// Twenty rounds of one function; registers change names instead of contents.
template <typename F>
[[gnu::always_inline]] inline void
twenty_rounds(std::array<u32, 5>& registers, const u32* w, u32 k, F f) {
    auto [a, b, c, d, e] = registers;
    for (usize t = 0; t < 20; t += 5) {
        e += std::rotl(a, 5) + f(b, c, d) + k + w[t];
        b = std::rotl(b, 30);
        d += std::rotl(e, 5) + f(a, b, c) + k + w[t + 1];
        a = std::rotl(a, 30);
        c += std::rotl(d, 5) + f(e, a, b) + k + w[t + 2];
        e = std::rotl(e, 30);
        b += std::rotl(c, 5) + f(d, e, a) + k + w[t + 3];
        d = std::rotl(d, 30);
        a += std::rotl(b, 5) + f(c, d, e) + k + w[t + 4];
        c = std::rotl(c, 30);
    }
    registers = {a, b, c, d, e};
}

} // namespace

Sha1::Sha1() : BlockHash{{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}} {}

void Sha1::compress(std::array<u32, 5>& state, const u8* block) {
    std::array<u32, 80> w;
    for (usize t = 0; t < 16; ++t)
        w[t] = detail::load_big<u32>(block + 4 * t);
    for (usize t = 16; t < w.size(); ++t)
        w[t] = std::rotl(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    std::array<u32, 5> r = state;
    const auto choose = [](u32 x, u32 y, u32 z) { return z ^ (x & (y ^ z)); };
    const auto parity = [](u32 x, u32 y, u32 z) { return x ^ y ^ z; };
    const auto majority = [](u32 x, u32 y, u32 z) { return (x & y) | (z & (x | y)); };
    twenty_rounds(r, &w[0], 0x5a827999, choose);
    twenty_rounds(r, &w[20], 0x6ed9eba1, parity);
    twenty_rounds(r, &w[40], 0x8f1bbcdc, majority);
    twenty_rounds(r, &w[60], 0xca62c1d6, parity);
    for (usize i = 0; i < r.size(); ++i)
        state[i] += r[i];
}

} // namespace ravelin::crypto

// SPDX-License-Identifier: Apache-2.0
// SHA-1. [FIPS 180-4, 6.1]
#include "crypto/sha.hpp"

#include <bit>

namespace ravelin::crypto {

Sha1::Sha1() : BlockHash{{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}} {}

void Sha1::compress(std::array<u32, 5>& state, const u8* block) {
    std::array<u32, 80> w{};
    for (usize t = 0; t < 16; ++t)
        w[t] = u32{block[4 * t]} << 24 | u32{block[4 * t + 1]} << 16 | u32{block[4 * t + 2]} << 8 |
               u32{block[4 * t + 3]};
    for (usize t = 16; t < w.size(); ++t)
        w[t] = std::rotl(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    auto [a, b, c, d, e] = state;
    for (usize t = 0; t < w.size(); ++t) {
        u32 f = b ^ c ^ d;
        u32 k = 0x6ed9eba1;
        if (t < 20) {
            f = (b & c) ^ (~b & d);
            k = 0x5a827999;
        } else if (t >= 40 && t < 60) {
            f = (b & c) ^ (b & d) ^ (c & d);
            k = 0x8f1bbcdc;
        } else if (t >= 60) {
            k = 0xca62c1d6;
        }
        const u32 next = std::rotl(a, 5) + f + e + k + w[t];
        e = d;
        d = c;
        c = std::rotl(b, 30);
        b = a;
        a = next;
    }
    state = {state[0] + a, state[1] + b, state[2] + c, state[3] + d, state[4] + e};
}

} // namespace ravelin::crypto

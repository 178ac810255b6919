// SPDX-License-Identifier: Apache-2.0
// The round function that SHA-256 and SHA-512 share: they differ in word, rotations and number of
// rounds. Whole kernels pass through here, in a CPU state without vector registers, so it is
// unrolled by eight: registers change names instead of contents. The schedule is made first: the
// rounds need every register.
// [FIPS 180-4, 4.1, 6.2, 6.4]
#pragma once

#include <base/types.hpp>

#include <array>
#include <bit>
#include <span>

namespace ravelin::crypto::detail {

/// x rotated by A, by B and by C (ascending), exclusive-or'd; nested, which saves two copies of x.
template <int A, int B, int C, typename Word>
[[gnu::always_inline]] constexpr Word rotations(Word x) {
    return std::rotr(std::rotr(std::rotr(x, C - B) ^ x, B - A) ^ x, A);
}

template <typename Word> [[gnu::always_inline]] inline Word load_big(const u8* bytes) {
    Word value = 0;
    for (usize i = 0; i < sizeof(Word); ++i)
        value = value << 8 | bytes[i];
    return value;
}

/// One round. Maj(a, b, c) = b ^ ((a ^ b) & (b ^ c)); this round's a ^ b is the next b ^ c.
template <typename Functions, typename Word>
[[gnu::always_inline]] inline void
sha2_round(Word& bc, Word a, Word b, Word& d, Word e, Word f, Word g, Word& h, Word input) {
    h += input + Functions::sum1(e) + (g ^ (e & (f ^ g)));
    d += h;
    const Word ab = a ^ b;
    h += Functions::sum0(a) + (b ^ (ab & bc));
    bc = ab;
}

/// Functions: `Word`, and the standard's Σ0, Σ1, σ0 and σ1 as static members.
template <typename Functions, usize Rounds>
inline void sha2_compress(std::array<typename Functions::Word, 8>& state,
                          const u8* block,
                          const std::array<typename Functions::Word, Rounds>& k) {
    using Word = typename Functions::Word;
    std::array<Word, Rounds> w;
    for (usize t = 0; t < 16; ++t)
        w[t] = load_big<Word>(block + t * sizeof(Word));
    for (usize t = 16; t < Rounds; ++t)
        w[t] = w[t - 16] + Functions::sigma0(w[t - 15]) + w[t - 7] + Functions::sigma1(w[t - 2]);
    auto [a, b, c, d, e, f, g, h] = state;
    Word bc = b ^ c;
    for (usize t = 0; t < Rounds; t += 8) {
        sha2_round<Functions>(bc, a, b, d, e, f, g, h, w[t] + k[t]);
        sha2_round<Functions>(bc, h, a, c, d, e, f, g, w[t + 1] + k[t + 1]);
        sha2_round<Functions>(bc, g, h, b, c, d, e, f, w[t + 2] + k[t + 2]);
        sha2_round<Functions>(bc, f, g, a, b, c, d, e, w[t + 3] + k[t + 3]);
        sha2_round<Functions>(bc, e, f, h, a, b, c, d, w[t + 4] + k[t + 4]);
        sha2_round<Functions>(bc, d, e, g, h, a, b, c, w[t + 5] + k[t + 5]);
        sha2_round<Functions>(bc, c, d, f, g, h, a, b, w[t + 6] + k[t + 6]);
        sha2_round<Functions>(bc, b, c, e, f, g, h, a, w[t + 7] + k[t + 7]);
    }
    state = {state[0] + a,
             state[1] + b,
             state[2] + c,
             state[3] + d,
             state[4] + e,
             state[5] + f,
             state[6] + g,
             state[7] + h};
}

} // namespace ravelin::crypto::detail

// SPDX-License-Identifier: Apache-2.0
#include "crypto/constant_time.hpp"

namespace ravelin::crypto {

bool equal_in_constant_time(std::span<const u8> a, std::span<const u8> b) {
    if (a.size() != b.size())
        return false;
    u8 difference = 0;
    for (usize i = 0; i < a.size(); ++i) {
        difference = static_cast<u8>(difference | (a[i] ^ b[i]));
        // SAFETY: no instruction; keeps the compiler from ending the loop once a bit is set.
        asm volatile("" : "+r"(difference));
    }
    return difference == 0;
}

} // namespace ravelin::crypto

// SPDX-License-Identifier: Apache-2.0
// Attack: a guest without a way to handle its own fault. It must be stopped with a reason on the
// console, and take nobody with it; it never reaches its verdict.
#include "../guest.hpp"

namespace ravelin::guest_test {

Verdict guest_main() {
    struct [[gnu::packed]] {
        u16 limit;
        u64 base;
    } const nothing{0, 0};
    print("now without an interrupt table\n");
    // SAFETY: the point of this guest.
    asm volatile("lidt %0; ud2" : : "m"(nothing));
    return Verdict::failure;
}

} // namespace ravelin::guest_test

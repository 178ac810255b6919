// SPDX-License-Identifier: Apache-2.0
// Says at which tick of the TSC it was entered: under Ravelin by hypercall, on a bare machine by
// COM1. Then it is done; a bare machine halts.
#include "guest.hpp"

#include <array>

namespace ravelin::guest_test {

namespace {

constexpr u16 com1 = 0x3f8;

[[noreturn]] void halt() {
    for (;;)
        asm volatile("cli; hlt"); // SAFETY: stops this CPU, which has nothing left to do.
}

void print_on_com1(std::string_view text) {
    for (const char c : text)
        out8(com1, static_cast<u8>(c));
}

void say_natively(u64 value) {
    std::array<char, 20> digits{};
    usize at = digits.size();
    do {
        digits[--at] = static_cast<char>('0' + value % 10);
        value /= 10;
    } while (value != 0);
    print_on_com1("bench.start.entered: ");
    print_on_com1({digits.data() + at, digits.size() - at});
    print_on_com1("\nbench.end\n");
    halt();
}

} // namespace

Verdict guest_main() {
    const u64 entered = read_tsc();
    constexpr u32 xen = 0x566e6558; // "XenV"
    if (cpuid(0x4000'0000).ebx != xen)
        say_natively(entered);
    print_value("bench.start.entered", entered);
    return Verdict::success;
}

} // namespace ravelin::guest_test

// SPDX-License-Identifier: Apache-2.0
// Attack: ports of the machine. Reset, power, CMOS, serial line and interrupt controller are not a
// guest's: reads give ones and writes do nothing, or this test would not reach its end.
#include "../guest.hpp"

#include <array>

namespace ravelin::guest_test {

Verdict guest_main() {
    constexpr std::array<u16, 6> silent{0x70, 0x92, 0x3f8, 0x604, 0xb2, 0x21};
    for (const u16 port : silent)
        if (in32(port) != 0xffff'ffff) {
            print("something answers at port ");
            print_hex(port);
            print("\n");
            return Verdict::failure;
        }
    out8(0xcf9, 0x06);    // reset control
    out8(0x64, 0xfe);     // keyboard controller: pulse the reset line
    out8(0x92, 0x01);     // fast reset
    out32(0x604, 0x2000); // ACPI PM1a: power off on q35
    out8(0xb2, 0x01);     // system management interrupt
    out8(0x21, 0xff);     // interrupt controller mask
    return Verdict::success;
}

} // namespace ravelin::guest_test

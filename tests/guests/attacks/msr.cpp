// SPDX-License-Identifier: Apache-2.0
// Attack: MSRs that belong to the host. Reads and writes of the virtualisation, APIC and machine
// check registers must raise #GP; EFER.SVME must neither show nor stick.
#include "../guest.hpp"

#include <array>

namespace ravelin::guest_test {

Verdict guest_main() {
    constexpr u8 general_protection = 13;
    constexpr std::array<u32, 9> forbidden{0xc001'0114,  // VM_CR
                                           0xc001'0117,  // VM_HSAVE_PA
                                           0xc001'0111,  // SMBASE
                                           0xc001'0112,  // TSEG base
                                           0x480,        // VMX basic
                                           0x400,        // machine check bank 0
                                           0x200,        // MTRR base 0
                                           0xda0,        // XSS
                                           0xdead'beef}; // nothing
    for (const u32 msr : forbidden) {
        if (probe_read_msr(msr).raised != general_protection) {
            print("readable: ");
            print_hex(msr);
            print("\n");
            return Verdict::failure;
        }
        if (probe_write_msr(msr, 0) != general_protection)
            return Verdict::failure;
    }
    constexpr u32 efer = 0xc000'0080;
    constexpr u64 svme = 1u << 12;
    const Probed before = probe_read_msr(efer);
    if (before.raised || (before.value & svme) != 0)
        return Verdict::failure;
    if (probe_write_msr(efer, before.value | svme) != general_protection)
        return Verdict::failure;
    return probe_read_msr(efer).value == before.value ? Verdict::success : Verdict::failure;
}

} // namespace ravelin::guest_test

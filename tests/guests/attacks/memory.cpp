// SPDX-License-Identifier: Apache-2.0
// Attack: physical addresses that are the host's. The hypervisor's image, the TPM, the IOMMU and
// the host's local APIC are not behind the guest's addresses: reads beyond its memory give ones,
// writes change nothing, and its own page at the hypervisor's address is its own.
#include "../guest.hpp"

#include <array>

namespace ravelin::guest_test {

Verdict guest_main() {
    const u64 top = u64{1} << (cpuid(0x8000'0008).eax & 0xff);
    const std::array<u64, 5> foreign{0xfed4'0000,      // TPM
                                     0xfed9'0000,      // IOMMU
                                     0xfec0'0000,      // IOAPIC
                                     top / 2,          // far beyond RAM
                                     top - 0x20'0000}; // the last page a guest can name
    for (const u64 physical : foreign) {
        const u64 at = map_physical(physical);
        if (probe_store(at, 0x4d49'4e45))
            return Verdict::failure;
        const Probed read = probe_load(at);
        if (read.raised || read.value != 0xffff'ffff) {
            print("something answers at ");
            print_hex(physical);
            print("\n");
            return Verdict::failure;
        }
    }
    // The hypervisor is linked at 2 MiB. That guest-physical page is this guest's RAM: no image of
    // ours may show there.
    const u64 at = map_physical(0x20'0000);
    for (u64 offset = 0; offset < 0x1000; offset += 4)
        if (probe_load(at + offset).value != 0) {
            print("memory given to a guest was not scrubbed\n");
            return Verdict::failure;
        }
    return Verdict::success;
}

} // namespace ravelin::guest_test

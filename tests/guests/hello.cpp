// SPDX-License-Identifier: Apache-2.0
// The smallest guest: CPUID, a null hypercall, a port, a line of text.
#include "guest.hpp"

namespace ravelin::guest_test {

Verdict guest_main() {
    constexpr u32 hypervisor_present = 1u << 31;
    if ((cpuid(1).ecx & hypervisor_present) == 0)
        return Verdict::failure;
    const i64 version = hypercall(hypercall_xen_version);
    if (version < 0)
        return Verdict::failure;
    out8(0x80, 0);
    print("hello from a guest; Xen ABI ");
    print_number(static_cast<u64>(version) >> 16);
    print(".");
    print_number(static_cast<u64>(version) & 0xffff);
    print("\n");
    return Verdict::success;
}

} // namespace ravelin::guest_test

// SPDX-License-Identifier: Apache-2.0
// Attack: hypercall arguments that point where the guest may not. Non-canonical addresses, the
// hypervisor's own virtual addresses, memory beyond its RAM and device pages must all be EFAULT,
// for reading and for writing.
#include "../guest.hpp"

#include <array>

namespace ravelin::guest_test {

Verdict guest_main() {
    constexpr i64 fault = -14;
    constexpr u64 memory_op = 12;
    constexpr u64 memory_map = 9;
    constexpr u64 size = 16;
    const u64 beyond = map_physical(u64{1} << ((cpuid(0x8000'0008).eax & 0xff) - 1));
    const std::array<u64, 6> bad{0x8000'0000'0000,      // not canonical
                                 0xffff'8000'0020'0000, // the hypervisor's direct map
                                 0xffff'ffff'ffff'fff8, // wraps around
                                 0x5000'0000'0000,      // unmapped by this guest's own tables
                                 0xfee0'0000,           // the local APIC's page
                                 beyond};
    for (const u64 address : bad) {
        if (hypercall(hypercall_console_io, 0, size, address) != fault) {
            print("read from ");
            print_hex(address);
            print("\n");
            return Verdict::failure;
        }
        if (hypercall(memory_op, memory_map, address) >= 0) {
            print("argument taken from ");
            print_hex(address);
            print("\n");
            return Verdict::failure;
        }
        // A good argument whose buffer is bad: the hypervisor would write there.
        const std::array<u64, 2> argument{16, address};
        // SAFETY: this guest's memory is identity-mapped.
        if (hypercall(memory_op, memory_map, reinterpret_cast<u64>(argument.data())) >= 0) {
            print("written to ");
            print_hex(address);
            print("\n");
            return Verdict::failure;
        }
    }
    return Verdict::success;
}

} // namespace ravelin::guest_test

// SPDX-License-Identifier: Apache-2.0
// Attack: instructions that act on the host. Those of virtualisation must be undefined, those that
// only the machine's owner may use must fault, and VMCALL must be a hypercall like VMMCALL.
#include "../guest.hpp"

#include <array>

namespace ravelin::guest_test {

namespace {

using namespace std::string_view_literals;

struct Case {
    std::string_view name;
    std::string_view bytes;
};
constexpr u8 undefined_opcode = 6;
constexpr std::array undefined{
    Case{"VMRUN", "\x0f\x01\xd8"sv},
    Case{"VMLOAD", "\x0f\x01\xda"sv},
    Case{"VMSAVE", "\x0f\x01\xdb"sv},
    Case{"STGI", "\x0f\x01\xdc"sv},
    Case{"CLGI", "\x0f\x01\xdd"sv},
    Case{"SKINIT", "\x0f\x01\xde"sv},
    Case{"INVLPGA", "\x0f\x01\xdf"sv},
    Case{"VMXON", "\xf3\x0f\xc7\x37"sv},
    Case{"VMLAUNCH", "\x0f\x01\xc2"sv},
    Case{"VMRESUME", "\x0f\x01\xc3"sv},
    Case{"VMXOFF", "\x0f\x01\xc4"sv},
    Case{"VMCLEAR", "\x66\x0f\xc7\x37"sv},
    Case{"VMPTRLD", "\x0f\xc7\x37"sv},
    Case{"VMREAD", "\x0f\x78\xc0"sv},
    Case{"VMWRITE", "\x0f\x79\xc0"sv},
    Case{"INVEPT", "\x66\x0f\x38\x80\x07"sv},
    Case{"INVVPID", "\x66\x0f\x38\x81\x07"sv},
    Case{"VMFUNC", "\x0f\x01\xd4"sv},
    Case{"GETSEC", "\x0f\x37"sv},
    Case{"MONITOR", "\x0f\x01\xc8"sv},
    Case{"MWAIT", "\x0f\x01\xc9"sv},
    Case{"UD2", "\x0f\x0b"sv},
};

} // namespace

Verdict guest_main() {
    for (const Case& one : undefined)
        if (probe_instruction(one.bytes) != undefined_opcode) {
            print(one.name);
            print(" is not undefined\n");
            return Verdict::failure;
        }
    // RAX is 0 in the probe: hypercall 0 exists in no ABI of ours, and answers instead of faulting.
    if (probe_instruction("\x0f\x01\xc1"sv) || probe_instruction("\x0f\x01\xd9"sv))
        return Verdict::failure;
    // XCR0: bit 0 may not be cleared, and what CPUID does not offer may not be set.
    constexpr u8 general_protection = 13;
    u64 cr4 = 0;
    // SAFETY: turns OSXSAVE on in this guest's own CR4.
    asm volatile("mov %%cr4, %0" : "=r"(cr4));
    constexpr u32 xsave = 1u << 26;
    if ((cpuid(1).ecx & xsave) != 0) {
        asm volatile("mov %0, %%cr4" : : "r"(cr4 | 1u << 18));
        if (probe_xsetbv(0) != general_protection ||
            probe_xsetbv(u64{1} << 62 | 1) != general_protection || probe_xsetbv(3))
            return Verdict::failure;
    }
    return Verdict::success;
}

} // namespace ravelin::guest_test

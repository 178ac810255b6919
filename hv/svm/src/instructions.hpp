// SPDX-License-Identifier: Apache-2.0
// The privileged instructions the SVM back end needs: the machine's, and its own.
#pragma once

#include <hv/machine/instructions.hpp>

#include <array>

namespace ravelin::hv::svm {

using machine::cpuid;
using machine::read_cr4;
using machine::read_msr;
using machine::read_xcr0;
using machine::write_cr4;
using machine::write_msr;
using machine::write_xcr0;

/// DR0-DR3, which no VMCB holds.
[[nodiscard]] inline std::array<u64, 4> read_debug_addresses() {
    std::array<u64, 4> out{};
    // SAFETY: reads debug registers at CPL 0; the host's DR7 enables none of them.
    asm volatile("mov %%dr0, %0\n\tmov %%dr1, %1\n\tmov %%dr2, %2\n\tmov %%dr3, %3"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3]));
    return out;
}
inline void write_debug_addresses(const std::array<u64, 4>& values) {
    // SAFETY: as above: they are a guest's, and cannot hit the host.
    asm volatile("mov %0, %%dr0\n\tmov %1, %%dr1\n\tmov %2, %%dr2\n\tmov %3, %%dr3"
                 :
                 : "r"(values[0]), "r"(values[1]), "r"(values[2]), "r"(values[3]));
}

/// The host's VMSAVE state goes to the VMCB at that host-physical address.
inline void vmsave(u64 vmcb) {
    // SAFETY: vmcb is a frame of ours; VMSAVE writes inside it.
    asm volatile("vmsave" : : "a"(vmcb) : "memory");
}

} // namespace ravelin::hv::svm

// SPDX-License-Identifier: Apache-2.0
// The privileged instructions the SVM back end needs, one function each.
#pragma once

#include <base/types.hpp>

#include <array>

namespace ravelin::hv::svm {

struct CpuidRegisters {
    u32 eax, ebx, ecx, edx;
};

[[nodiscard]] inline CpuidRegisters cpuid(u32 leaf, u32 subleaf = 0) {
    CpuidRegisters r{};
    // SAFETY: CPUID has no effect but on its four registers.
    asm volatile("cpuid"
                 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                 : "a"(leaf), "c"(subleaf));
    return r;
}

[[nodiscard]] inline u64 read_msr(u32 msr) {
    u32 low = 0;
    u32 high = 0;
    // SAFETY: callers name MSRs whose presence CPUID told them.
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return u64{high} << 32 | low;
}

inline void write_msr(u32 msr, u64 value) {
    // SAFETY: as read_msr; the values turn SVM on and name frames that are ours for ever.
    asm volatile("wrmsr"
                 :
                 : "c"(msr), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32))
                 : "memory");
}

[[nodiscard]] inline u64 read_cr4() {
    u64 value = 0;
    // SAFETY: reads a control register at CPL 0.
    asm volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

inline void write_cr4(u64 value) {
    // SAFETY: callers only add OSXSAVE, which changes no translation.
    asm volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}

[[nodiscard]] inline u64 read_xcr0() {
    u32 low = 0;
    u32 high = 0;
    // SAFETY: CR4.OSXSAVE is set once a vCPU was loaded.
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return u64{high} << 32 | low;
}

inline void write_xcr0(u64 value) {
    // SAFETY: the value is a subset of what CPUID leaf 0Dh offers, bit 0 set.
    asm volatile("xsetbv"
                 :
                 : "c"(0), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32))
                 : "memory");
}

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

// SPDX-License-Identifier: Apache-2.0
// The privileged instructions the SVM back end needs, one function each.
#pragma once

#include <base/types.hpp>

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

/// The host's VMSAVE state goes to the VMCB at that host-physical address.
inline void vmsave(u64 vmcb) {
    // SAFETY: vmcb is a frame of ours; VMSAVE writes inside it.
    asm volatile("vmsave" : : "a"(vmcb) : "memory");
}

} // namespace ravelin::hv::svm

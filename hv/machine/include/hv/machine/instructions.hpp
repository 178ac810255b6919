// SPDX-License-Identifier: Apache-2.0
// The privileged instructions that several rooms need, each a function of one line.
#pragma once

#include <base/types.hpp>

namespace ravelin::hv::machine {

inline void out8(u16 port, u8 value) {
    // SAFETY: the caller owns the port.
    asm volatile("outb %0, %1" ::"a"(value), "Nd"(port) : "memory");
}
inline void out16(u16 port, u16 value) {
    // SAFETY: as out8().
    asm volatile("outw %0, %1" ::"a"(value), "Nd"(port) : "memory");
}
inline void out32(u16 port, u32 value) {
    // SAFETY: as out8().
    asm volatile("outl %0, %1" ::"a"(value), "Nd"(port) : "memory");
}
[[nodiscard]] inline u8 in8(u16 port) {
    u8 value = 0;
    // SAFETY: as out8().
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}
[[nodiscard]] inline u16 in16(u16 port) {
    u16 value = 0;
    // SAFETY: as out8().
    asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}
[[nodiscard]] inline u32 in32(u16 port) {
    u32 value = 0;
    // SAFETY: as out8().
    asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}
[[nodiscard]] inline u64 read_msr(u32 msr) {
    u32 low = 0;
    u32 high = 0;
    // SAFETY: the caller knows the MSR to exist.
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return u64{high} << 32 | low;
}
inline void write_msr(u32 msr, u64 value) {
    // SAFETY: as read_msr(), and the value is legal.
    asm volatile(
        "wrmsr" ::"c"(msr), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32))
        : "memory");
}
[[nodiscard]] inline u64 read_tsc() {
    u32 low = 0;
    u32 high = 0;
    // SAFETY: CR4.TSD does not bind CPL 0.
    asm volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return u64{high} << 32 | low;
}
struct CpuidLeaf {
    u32 eax;
    u32 ebx;
    u32 ecx;
    u32 edx;
};
[[nodiscard]] inline CpuidLeaf cpuid(u32 leaf, u32 subleaf = 0) {
    CpuidLeaf out{};
    // SAFETY: no side effect but serialisation.
    asm volatile("cpuid"
                 : "=a"(out.eax), "=b"(out.ebx), "=c"(out.ecx), "=d"(out.edx)
                 : "a"(leaf), "c"(subleaf));
    return out;
}
inline void disable_interrupts() {
    // SAFETY: always legal at CPL 0.
    asm volatile("cli" ::: "memory");
}
[[noreturn]] inline void halt_for_ever() {
    for (;;) {
        // SAFETY: with interrupts off only an NMI wakes it, and the loop halts again.
        asm volatile("cli; hlt" ::: "memory");
    }
}
[[nodiscard]] inline u64 read_cr0() {
    u64 value = 0;
    // SAFETY: reads a control register.
    asm volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}
inline void write_cr0(u64 value) {
    // SAFETY: the value is the current one with bits the caller's mode of operation asks for.
    asm volatile("mov %0, %%cr0" ::"r"(value) : "memory");
}
[[nodiscard]] inline u64 read_cr2() {
    u64 value = 0;
    // SAFETY: reads a control register.
    asm volatile("mov %%cr2, %0" : "=r"(value));
    return value;
}
[[nodiscard]] inline u64 read_cr3() {
    u64 value = 0;
    // SAFETY: reads a control register.
    asm volatile("mov %%cr3, %0" : "=r"(value));
    return value;
}
inline void write_cr3(HostPhysical root) {
    // SAFETY: the caller's tables map the code that runs and the stack it runs on.
    asm volatile("mov %0, %%cr3" ::"r"(root.raw()) : "memory");
}
[[nodiscard]] inline u64 read_cr4() {
    u64 value = 0;
    // SAFETY: reads a control register.
    asm volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}
inline void write_cr4(u64 value) {
    // SAFETY: as write_cr0(); no bit of it changes a translation.
    asm volatile("mov %0, %%cr4" ::"r"(value) : "memory");
}
[[nodiscard]] inline u64 read_xcr0() {
    u32 low = 0;
    u32 high = 0;
    // SAFETY: only called where CR4.OSXSAVE is set.
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return u64{high} << 32 | low;
}
inline void write_xcr0(u64 value) {
    // SAFETY: as read_xcr0(); the value is a subset of what CPUID leaf 0Dh offers, bit 0 set.
    asm volatile("xsetbv" ::"c"(0), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32))
                 : "memory");
}

} // namespace ravelin::hv::machine

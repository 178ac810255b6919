// SPDX-License-Identifier: Apache-2.0
// The few privileged instructions that this back end needs beside VMX's own.
#pragma once

#include <base/types.hpp>

namespace ravelin::hv::vmx {

[[nodiscard]] inline u64 read_msr(u32 msr) {
    u32 low = 0;
    u32 high = 0;
    // SAFETY: only architectural MSRs whose presence CPUID or a capability MSR has shown are named.
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return u64{high} << 32 | low;
}
inline void write_msr(u32 msr, u64 value) {
    // SAFETY: as read_msr(); the caller knows the value to be legal.
    asm volatile(
        "wrmsr" ::"c"(msr), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32))
        : "memory");
}
[[nodiscard]] inline u64 read_cr0() {
    u64 value = 0;
    // SAFETY: reads a control register.
    asm volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}
inline void write_cr0(u64 value) {
    // SAFETY: the value is the current one made legal for VMX operation.
    asm volatile("mov %0, %%cr0" ::"r"(value) : "memory");
}
[[nodiscard]] inline u64 read_cr3() {
    u64 value = 0;
    // SAFETY: reads a control register.
    asm volatile("mov %%cr3, %0" : "=r"(value));
    return value;
}
[[nodiscard]] inline u64 read_cr4() {
    u64 value = 0;
    // SAFETY: reads a control register.
    asm volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}
inline void write_cr4(u64 value) {
    // SAFETY: as write_cr0().
    asm volatile("mov %0, %%cr4" ::"r"(value) : "memory");
}

/// The pseudo-descriptor that SGDT and SIDT store.
struct [[gnu::packed]] DescriptorTable {
    u16 limit;
    u64 base;
};
[[nodiscard]] inline DescriptorTable read_gdtr() {
    DescriptorTable table{};
    // SAFETY: stores ten bytes into the table.
    asm volatile("sgdt %0" : "=m"(table));
    return table;
}
[[nodiscard]] inline DescriptorTable read_idtr() {
    DescriptorTable table{};
    // SAFETY: as read_gdtr().
    asm volatile("sidt %0" : "=m"(table));
    return table;
}
[[nodiscard]] inline u16 read_tr() {
    u16 selector = 0;
    // SAFETY: reads the task register's selector.
    asm volatile("str %0" : "=r"(selector));
    return selector;
}
[[nodiscard]] inline u16 read_cs() {
    u16 selector = 0;
    // SAFETY: reads a segment selector.
    asm volatile("mov %%cs, %0" : "=r"(selector));
    return selector;
}
[[nodiscard]] inline u16 read_ss() {
    u16 selector = 0;
    // SAFETY: reads a segment selector.
    asm volatile("mov %%ss, %0" : "=r"(selector));
    return selector;
}
[[nodiscard]] inline u64 read_xcr0() {
    u32 low = 0;
    u32 high = 0;
    // SAFETY: only executed when CR4.OSXSAVE is set.
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return u64{high} << 32 | low;
}
inline void write_xcr0(u64 value) {
    // SAFETY: as read_xcr0(); the value was checked against the CPUID policy.
    asm volatile(
        "xsetbv" ::"c"(0), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32)));
}

} // namespace ravelin::hv::vmx

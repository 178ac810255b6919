// SPDX-License-Identifier: Apache-2.0
// The privileged instructions this back end needs beside VMX's own: the machine's, and what reads
// the selectors and tables that a VMCS takes.
#pragma once

#include <hv/machine/instructions.hpp>

#include <array>

namespace ravelin::hv::vmx {

using machine::cpuid;
using machine::read_cr0;
using machine::read_cr3;
using machine::read_cr4;
using machine::read_msr;
using machine::read_xcr0;
using machine::write_cr0;
using machine::write_cr4;
using machine::write_msr;
using machine::write_xcr0;

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

[[nodiscard]] inline std::array<u64, 4> read_debug_addresses() {
    std::array<u64, 4> out{};
    // SAFETY: reads debug registers at CPL 0; the host's DR7 enables none of them.
    asm volatile("mov %%dr0, %0\n\tmov %%dr1, %1\n\tmov %%dr2, %2\n\tmov %%dr3, %3"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3]));
    return out;
}
inline void write_debug_addresses(const std::array<u64, 4>& values) {
    // SAFETY: they are a guest's, and cannot hit the host.
    asm volatile("mov %0, %%dr0\n\tmov %1, %%dr1\n\tmov %2, %%dr2\n\tmov %3, %%dr3"
                 :
                 : "r"(values[0]), "r"(values[1]), "r"(values[2]), "r"(values[3]));
}
[[nodiscard]] inline u64 read_dr6() {
    u64 value = 0;
    // SAFETY: a status register.
    asm volatile("mov %%dr6, %0" : "=r"(value));
    return value;
}
inline void write_dr6(u64 value) {
    // SAFETY: a status register; the value was read from it, or its upper half is zero.
    asm volatile("mov %0, %%dr6" ::"r"(value));
}
inline void write_cr2(u64 value) {
    // SAFETY: the hypervisor takes no page fault that it survives, so CR2 is the guest's.
    asm volatile("mov %0, %%cr2" ::"r"(value));
}

} // namespace ravelin::hv::vmx

// SPDX-License-Identifier: Apache-2.0
// The privileged instructions this back end needs beside VMX's own: the machine's, and what reads
// the selectors and tables that a VMCS takes.
#pragma once

#include <hv/machine/instructions.hpp>

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

} // namespace ravelin::hv::vmx

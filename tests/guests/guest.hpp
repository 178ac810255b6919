// SPDX-License-Identifier: Apache-2.0
// What a test guest has: hypercalls, a console, probes that report the exception an instruction
// raised, and a verdict.
#pragma once

#include <base/int.hpp>

#include <optional>
#include <string_view>

namespace ravelin::guest_test {

enum class Verdict : u8 { success, skip, error, failure };

/// Each guest defines it.
Verdict guest_main();

void print(std::string_view text);
void print_number(u64 value);
void print_hex(u64 value);
/// A line "name: value".
void print_value(std::string_view name, u64 value);

/// A hypercall by VMMCALL, which every x86 hypervisor of ours answers.
inline i64 hypercall(u64 number, u64 a = 0, u64 b = 0, u64 c = 0, u64 d = 0, u64 e = 0) {
    i64 result = 0;
    register u64 r10 asm("r10") = d;
    register u64 r8 asm("r8") = e;
    // SAFETY: a long hypercall goes on in parts and counts in its first three registers; memory may
    // be written by the hypervisor.
    // Where each is: guest_main_wrapper() makes them the vendor's own instruction.
    asm volatile("771: vmmcall\n\t"
                 ".pushsection hypercall_sites, \"a\"\n\t"
                 ".quad 771b\n\t"
                 ".popsection"
                 : "=a"(result), "+D"(a), "+S"(b), "+d"(c)
                 : "a"(number), "r"(r10), "r"(r8)
                 : "memory");
    return result;
}

constexpr u64 hypercall_xen_version = 17;
constexpr u64 hypercall_console_io = 18;
constexpr u64 hypercall_sched_op = 29;

struct CpuidRegisters {
    u32 eax, ebx, ecx, edx;
};
inline CpuidRegisters cpuid(u32 leaf, u32 subleaf = 0) {
    CpuidRegisters r{};
    // SAFETY: CPUID writes its four registers only.
    asm volatile("cpuid"
                 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                 : "a"(leaf), "c"(subleaf));
    return r;
}
inline u64 read_tsc() {
    u32 low = 0;
    u32 high = 0;
    // SAFETY: reads a counter.
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return u64{high} << 32 | low;
}
inline void out8(u16 port, u8 value) {
    // SAFETY: what the port does is the hypervisor's decision.
    asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
inline u32 in32(u16 port) {
    u32 value = 0;
    // SAFETY: as out8.
    asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
inline void out32(u16 port, u32 value) {
    // SAFETY: as out8.
    asm volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

/// The vector an instruction raised, if it raised one.
using Raised = std::optional<u8>;
struct Probed {
    Raised raised;
    u64 value;
};
[[nodiscard]] Probed probe_read_msr(u32 msr);
[[nodiscard]] Raised probe_write_msr(u32 msr, u64 value);
/// Executes up to 15 bytes as one instruction.
[[nodiscard]] Raised probe_instruction(std::string_view bytes);
[[nodiscard]] Probed probe_load(u64 address);
[[nodiscard]] Raised probe_store(u64 address, u32 value);
[[nodiscard]] Raised probe_xsetbv(u64 value);

/// Maps a 2 MiB page of any physical address at a fixed virtual one and returns that.
[[nodiscard]] u64 map_physical(u64 physical);

} // namespace ravelin::guest_test

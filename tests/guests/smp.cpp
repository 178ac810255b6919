// SPDX-License-Identifier: Apache-2.0
// Starts every other vCPU by INIT and start-up IPI, has all of them run at once, and starts one
// again.
#include "guest.hpp"

extern "C" const ravelin::u8 ap_start[];
extern "C" const ravelin::u8 ap_end[];

// Real mode at 8000h. [7000h] counts arrivals; when [7004h] is set, [7008h] counts departures.
asm(R"(
    .section .rodata
    .code16
    .global ap_start, ap_end
ap_start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    lock incl 0x7000
1:  pause
    cmpb $0, 0x7004
    je 1b
    lock incl 0x7008
2:  hlt
    jmp 2b
ap_end:
    .code64
    .text
)");

namespace ravelin::guest_test {
namespace {

constexpr u32 msr_apic_base = 0x1b;
constexpr u32 msr_command = 0x830;
constexpr u64 x2apic_mode = 0x400;
constexpr u32 init = 0x4500;
constexpr u32 start_up = 0x4600;
constexpr u8 start_page = 8;

volatile u32& word(u64 address) {
    // SAFETY: this guest's own low memory, identity-mapped; other vCPUs write it.
    return *reinterpret_cast<volatile u32*>(address);
}
u64 read_msr(u32 msr) {
    return probe_read_msr(msr).value;
}
bool send(u32 target, u32 command) {
    return !probe_write_msr(msr_command, u64{target} << 32 | command);
}
bool reaches(u64 counter, u32 value) {
    constexpr u64 patience = 20'000'000'000; // a slow emulator's
    const u64 start = read_tsc();
    while (word(counter) != value)
        if (read_tsc() - start > patience)
            return false;
    return true;
}

} // namespace

Verdict guest_main() {
    const u32 vcpus = cpuid(1).ebx >> 16 & 0xff;
    print_value("vcpus", vcpus);
    if (vcpus < 2)
        return Verdict::skip;
    u8* const code = reinterpret_cast<u8*>(u64{start_page} << 12);
    for (const u8* from = ap_start; from != ap_end; ++from)
        code[from - ap_start] = *from;
    for (const u64 at : {0x7000u, 0x7004u, 0x7008u})
        word(at) = 0;
    if (probe_write_msr(msr_apic_base, read_msr(msr_apic_base) | x2apic_mode))
        return Verdict::error;
    for (u32 target = 1; target < vcpus; ++target)
        if (!send(target, init) || !send(target, start_up | start_page) ||
            !send(target, start_up | start_page))
            return Verdict::error;
    if (!reaches(0x7000, vcpus - 1))
        return Verdict::failure;
    print("all have started\n");
    word(0x7004) = 1;
    if (!reaches(0x7008, vcpus - 1))
        return Verdict::failure;
    // A second start-up IPI does nothing; INIT and one more starts it again.
    if (!send(1, start_up | start_page) || !send(1, init) || !send(1, start_up | start_page) ||
        !reaches(0x7008, vcpus))
        return Verdict::failure;
    return word(0x7000) == vcpus ? Verdict::success : Verdict::failure;
}

} // namespace ravelin::guest_test

// SPDX-License-Identifier: Apache-2.0
// A guest that never leaves by itself: it is got out by an interrupt of the host, and, where
// interrupts are off in the guest, by the preemption timer at the latest. That a run is bounded is
// the work-around for CPUs that keep an external interrupt from ending a run that began with
// interrupts off (Bochs 2.7); here is shown that it costs others one exit in that time, no more.
#include "micro.hpp"

RAVELIN_GUEST_PROGRAM(guest_spin)

namespace ravelin::hv::micro {

const char* const name = "vmx.preemption";

namespace {

using cpu::Register;

constexpr u64 longest_run = 100'000;           // what micro.cpp asked for
constexpr u64 guest_spin_with_interrupts = 11; // the STI's offset in the program
constexpr u64 local_apic = 0xfee00000;

u64 read_tsc() {
    u32 low = 0;
    u32 high = 0;
    // SAFETY: reads a counter.
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return u64{high} << 32 | low;
}

void write_apic(u64 offset, u32 value) {
    // SAFETY: the local APIC's page, in the identity map.
    *reinterpret_cast<volatile u32*>(local_apic + offset) = value;
}

u32 read_apic(u64 offset) {
    // SAFETY: as above.
    return *reinterpret_cast<volatile u32*>(local_apic + offset);
}

constexpr u8 self_vector = 0x50;

/// start.S maps the first GiB; the local APIC is in the fourth.
void map_local_apic() {
    constexpr u64 directory_pointers = 0x11000;
    // SAFETY: start.S's table; the entry was not present.
    *reinterpret_cast<volatile u64*>(directory_pointers + 3 * 8) = 0xc000'0083;
}

void request_interrupt_of_host() {
    write_apic(0xf0, 0x1ff);                     // software enable
    write_apic(0x300, 0x00044000 | self_vector); // to itself, fixed
}

bool is_requested() {
    return (read_apic(0x200 + self_vector / 32 * 0x10) >> (self_vector % 32) & 1) != 0;
}

void bounded(Guest& guest, std::string_view what) {
    const u32 before = static_cast<u32>(guest.registers[Register::rsi]);
    const u64 start = read_tsc();
    const cpu::Exit exit = guest.run();
    const u64 took = read_tsc() - start;
    (void)expect_exit<cpu::HostInterruptExit>(exit, what);
    expect(took >= longest_run, "  not before its time");
    expect(took < 2 * longest_run, "  and not long after");
    expect(static_cast<u32>(guest.registers[Register::rsi]) > before + 1000, "  it ran meanwhile");
}

} // namespace

void run(vmx::Host& host, LowMemory& memory) {
    Guest& guest = make_guest(host, memory, guest_spin_program());
    guest.cpu.load();
    guest.expect_mark(1, "a guest that spins with interrupts off");
    bounded(guest, "is left");
    bounded(guest, "and again: the timer starts afresh");
    guest.cpu.set_next_rip(Guest::program_at + guest_spin_with_interrupts);
    bounded(guest, "with interrupts on as well");

    map_local_apic();
    request_interrupt_of_host();
    const u64 start = read_tsc();
    const cpu::Exit exit = guest.run();
    const u64 took = read_tsc() - start;
    (void)expect_exit<cpu::HostInterruptExit>(exit, "an interrupt of the host ends the run");
    expect(took < longest_run / 10, "at once");
    expect(is_requested(), "it is not acknowledged: the host takes it itself");
    guest.cpu.unload();
}

} // namespace ravelin::hv::micro

// SPDX-License-Identifier: Apache-2.0
// The machine's face to the rooms above.
#include "domains/platform.hpp"

#include "dma.hpp"
#include "domains/domains.hpp"
#include "domains/run.hpp"
#include "domains/storage.hpp"
#include "domains/vm.hpp"

#include <hv/machine/console.hpp>
#include <hv/machine/instructions.hpp>
#include <hv/machine/interrupts.hpp>
#include <hv/machine/timer.hpp>
#include <hv/mm/direct_map.hpp>

namespace ravelin::hv {
namespace {

// Written by read_wall_clock() once; read when a domain is set up.
u64 boot_seconds = 0;

constexpr u16 cmos_index = 0x70;
constexpr u16 cmos_data = 0x71;

u8 read_cmos(u8 index) {
    machine::out8(cmos_index, index);
    return machine::in8(cmos_data);
}

struct ClockReading {
    u8 second, minute, hour, day, month, year;
    friend bool operator==(const ClockReading&, const ClockReading&) = default;
};

ClockReading read_once() {
    // Register A bit 7: an update is in progress. [MC146818 data sheet]
    for (int tries = 0; tries < 100000 && (read_cmos(0x0a) & 0x80) != 0; ++tries) {
    }
    return {read_cmos(0), read_cmos(2), read_cmos(4), read_cmos(7), read_cmos(8), read_cmos(9)};
}

u64 days_since_1970(u64 year, u64 month, u64 day) {
    // Gregorian calendar, counted from March so that the leap day is the last of its year.
    const u64 y = month <= 2 ? year - 1 : year;
    const u64 m = month <= 2 ? month + 9 : month - 3;
    return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

} // namespace

void read_wall_clock() {
    ClockReading reading = read_once();
    for (int tries = 0; tries < 10; ++tries) {
        const ClockReading again = read_once();
        if (again == reading)
            break;
        reading = again;
    }
    const u8 format = read_cmos(0x0b);
    const bool binary = (format & 0x04) != 0;
    const auto number = [binary](u8 raw) -> u64 {
        return binary ? raw : (raw >> 4) * 10u + (raw & 15u);
    };
    const bool twelve_hours = (format & 0x02) == 0;
    u64 hour = number(reading.hour & 0x7f);
    if (twelve_hours)
        hour = hour % 12 + ((reading.hour & 0x80) != 0 ? 12 : 0);
    const u64 days =
        days_since_1970(2000 + number(reading.year), number(reading.month), number(reading.day));
    boot_seconds =
        days * 86400 + hour * 3600 + number(reading.minute) * 60 + number(reading.second);
}

std::span<u8, page_size> DirectFrames::bytes(HostFrame frame) {
    return std::span<u8, page_size>{mm::direct_map_pointer<u8>(frame.address()), page_size};
}

cpu::Tsc ThisCpu::now() const {
    return cpu::Tsc{machine::read_tsc()};
}
void ThisCpu::set_timer(std::optional<cpu::Tsc> deadline) {
    machine::arm_timer(deadline ? std::optional{deadline->raw()} : std::nullopt);
}
void ThisCpu::service_interrupts() {
    machine::service_pending();
}
void ThisCpu::wait_for_interrupt() {
    machine::wait_for_interrupt();
}
domain::CpuidResult ThisCpu::native_cpuid(u32 leaf, u32 subleaf) const {
    const auto raw = machine::cpuid(leaf, subleaf);
    return {raw.eax, raw.ebx, raw.ecx, raw.edx};
}
void ThisCpu::flush_caches() {
    // SAFETY: writes back and invalidates; no memory content changes.
    asm volatile("wbinvd" ::: "memory");
}

cpu::Tsc AbiMachine::now() const {
    return cpu::Tsc{machine::read_tsc()};
}
u64 AbiMachine::tsc_khz() const {
    return machine::tsc_khz();
}
u64 AbiMachine::cpu_time_ns(const domain::Domain& domain) const {
    const DomainStorage* const storage = find_storage(domain.id());
    return storage != nullptr ? machine::tsc_to_nanoseconds(ticks_used(*storage)) : 0;
}
u64 AbiMachine::boot_time_seconds() const {
    return boot_seconds;
}
void AbiMachine::write_console(const domain::Domain& domain, std::string_view text) {
    say_for(domain, text);
}
std::optional<char> AbiMachine::read_console() {
    return machine::read_console();
}

} // namespace ravelin::hv

// SPDX-License-Identifier: Apache-2.0
// Calibration and deadlines. [SDM vol3 19.7.3] [Intel 8254]
#include "hv/machine/timer.hpp"

#include "hv/machine/console.hpp"
#include "hv/machine/instructions.hpp"
#include "hv/machine/interrupts.hpp"
#include "hv/machine/local_apic.hpp"
#include "hv/machine/processor.hpp"

#include <base/ensure.hpp>

#include <algorithm>

namespace ravelin::hv::machine {
namespace {

constexpr u16 pit_channel2 = 0x42;
constexpr u16 pit_command = 0x43;
constexpr u16 system_control = 0x61; // bit 0 gates channel 2, bit 5 is its output
constexpr u64 pit_hertz = 1193182;
constexpr u64 calibration_ticks = pit_hertz / 1000; // 1 ms
constexpr int calibration_runs = 3;

// Written by calibrate_timer() once; read by all CPUs.
u64 tsc_frequency_khz = 0;
u64 apic_frequency_khz = 0;

/// What check_periodically() was asked for. Used on the CPU that asked only.
struct PeriodicCheck {
    void (*check)(){};
    u64 interval{};
    u64 next{};
    ApicId owner{};
};
PeriodicCheck periodic;

struct Elapsed {
    u64 tsc;
    u64 apic;
};

Elapsed measure_against_pit() {
    const u8 before = in8(system_control);
    out8(system_control, static_cast<u8>((before & ~2) | 1));
    out8(pit_command, 0xb0); // channel 2, both bytes, mode 0
    start_apic_timer(0xffffffff);
    out8(pit_channel2, static_cast<u8>(calibration_ticks));
    out8(pit_channel2, static_cast<u8>(calibration_ticks >> 8)); // counting starts
    const u64 tsc_start = read_tsc();
    const u32 apic_start = read_apic_timer();
    // A PIT that never counts must not hang the boot: a second of any TSC is more than 2 ms.
    while ((in8(system_control) & 0x20) == 0 && read_tsc() - tsc_start < 10'000'000'000) {
    }
    const Elapsed out{read_tsc() - tsc_start, u64{apic_start} - read_apic_timer()};
    start_apic_timer(0);
    out8(system_control, before);
    return out;
}

/// Starts the APIC timer towards a deadline; a long wait ends early and is taken up by on_timer().
void start_towards(u64 deadline_tsc) {
    constexpr u64 longest = 0x7fffffff; // in TSC ticks, so that the scaled count has 32 bits
    const u64 now = read_tsc();
    const u64 wait = deadline_tsc > now ? std::min(deadline_tsc - now, longest) : 0;
    // Rounded up: a timer that fires early would be armed again for nothing.
    const u64 count = wait * apic_frequency_khz / tsc_frequency_khz + 1;
    start_apic_timer(static_cast<u32>(std::min<u64>(count, 0xffffffff)));
}

bool checks_periodically() {
    return periodic.check != nullptr && periodic.owner == this_processor().apic_id;
}

/// Starts the APIC timer towards whatever comes first, or stops it.
void start_next() {
    auto next = this_processor().timer_deadline;
    if (checks_periodically() && (!next || periodic.next < *next))
        next = periodic.next;
    if (next)
        start_towards(*next);
    else
        start_apic_timer(0);
}

void on_timer(Vector, void*) {
    const u64 now = read_tsc();
    auto& deadline = this_processor().timer_deadline;
    // The deadline's owner looks at the time itself and arms anew.
    if (deadline && *deadline <= now)
        deadline.reset();
    if (checks_periodically() && periodic.next <= now) {
        periodic.next = now + periodic.interval;
        periodic.check();
    }
    start_next();
}

u64 per_second(u64 ticks) {
    return ticks * pit_hertz / calibration_ticks / 1000;
}

} // namespace

void calibrate_timer() {
    // The shortest run: anything that held the CPU up only made one longer.
    Elapsed elapsed = measure_against_pit();
    for (int run = 1; run < calibration_runs; ++run) {
        const Elapsed again = measure_against_pit();
        if (again.tsc < elapsed.tsc)
            elapsed = again;
    }
    tsc_frequency_khz = per_second(elapsed.tsc);
    apic_frequency_khz = per_second(elapsed.apic);
    if (cpuid(0).eax >= 0x15) {
        const CpuidLeaf leaf = cpuid(0x15);
        if (leaf.eax != 0 && leaf.ebx != 0 && leaf.ecx != 0)
            tsc_frequency_khz = u64{leaf.ecx} * leaf.ebx / leaf.eax / 1000;
    }
    ensure(tsc_frequency_khz != 0 && apic_frequency_khz != 0, "the timers do not count");
    register_interrupt(timer_vector, on_timer, nullptr);
    log("timer: TSC {} kHz, APIC timer {} kHz", tsc_frequency_khz, apic_frequency_khz);
}

u64 tsc_khz() {
    return tsc_frequency_khz;
}

u64 tsc_to_nanoseconds(u64 ticks) {
    // Split, so that no intermediate result overflows: ticks may be years.
    const u64 milliseconds = ticks / tsc_frequency_khz;
    return milliseconds * 1'000'000 + (ticks % tsc_frequency_khz) * 1'000'000 / tsc_frequency_khz;
}
u64 nanoseconds_to_tsc(u64 nanoseconds) {
    return nanoseconds / 1'000'000 * tsc_frequency_khz +
           nanoseconds % 1'000'000 * tsc_frequency_khz / 1'000'000;
}

void arm_timer(std::optional<u64> deadline_tsc) {
    this_processor().timer_deadline = deadline_tsc;
    start_next();
}

void check_periodically(u64 interval, void (*check)()) {
    periodic = {check, interval, read_tsc() + interval, this_processor().apic_id};
    start_next();
}

void delay_microseconds(u64 microseconds) {
    const u64 end = read_tsc() + nanoseconds_to_tsc(microseconds * 1000);
    while (read_tsc() < end)
        __builtin_ia32_pause();
}

} // namespace ravelin::hv::machine

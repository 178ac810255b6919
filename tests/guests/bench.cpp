// SPDX-License-Identifier: Apache-2.0
// Round trips of the three frequent exits in TSC ticks, which under icount (shift 0) are
// instructions. The cost of the empty loop is taken off.
#include "bench_events.hpp"
#include "guest.hpp"

namespace ravelin::guest_test {

namespace {

template <typename Body> u64 ticks_per_round(Body&& body) {
    constexpr u64 rounds = 2000;
    body();
    const u64 start = read_tsc();
    for (u64 i = 0; i < rounds; ++i)
        body();
    return (read_tsc() - start) / rounds;
}

} // namespace

Verdict guest_main() {
    // SAFETY: an empty statement the compiler may not remove.
    const u64 empty = ticks_per_round([] { asm volatile(""); });
    print_value("bench.exit.cpuid", ticks_per_round([] { (void)cpuid(0); }) - empty);
    print_value("bench.exit.cpuid_features", ticks_per_round([] { (void)cpuid(7); }) - empty);
    print_value("bench.exit.hypercall",
                ticks_per_round([] { (void)hypercall(hypercall_xen_version); }) - empty);
    print_value("bench.exit.port_out", ticks_per_round([] { out8(0x80, 0); }) - empty);
    print_value("bench.exit.port_in", ticks_per_round([] { (void)in32(0x84); }) - empty);
    bench_events();
    return Verdict::success;
}

} // namespace ravelin::guest_test

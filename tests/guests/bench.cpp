// SPDX-License-Identifier: Apache-2.0
// Round trips of the three frequent exits and of grants in TSC ticks, which under icount (shift 0)
// are instructions. The cost of the empty loop is taken off.
#include "bench_events.hpp"
#include "guest.hpp"

#include <array>

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

/// Grants of the domain to itself: all of the work but finding the other domain.
class Grants {
  public:
    Grants() {
        // SAFETY: the domain's second page of RAM above 32 MiB becomes the grant table's.
        auto* const table = reinterpret_cast<volatile u64*>(table_at);
        struct {
            u16 domain;
            u16 size;
            u32 space;
            u64 index;
            u64 page;
        } show{self, 0, 1, 0, table_at >> 12};
        own = static_cast<u16>(cpuid(0x4000'0004).ecx);
        ready = hypercall(hypercall_memory_op, 7, address(&show)) == 0;
        if (ready)
            table[8] = 1 | u64{own} << 16 | address(pages[0].data()) >> 12 << 32;
    }
    bool copy() {
        struct End {
            u64 page;
            u16 domain;
            u16 offset;
        };
        struct {
            End source;
            End target;
            u16 size;
            u16 flags;
            i16 status;
        } operation{{8, own, 0}, {address(pages[1].data()) >> 12, self, 0}, 4096, 1, 1};
        static_assert(sizeof(operation) == 40);
        return hypercall(hypercall_grant_table_op, 5, address(&operation), 1) == 0 &&
               operation.status == 0;
    }
    bool map_and_unmap() {
        struct {
            u64 at;
            u32 flags;
            u32 reference;
            u16 domain;
            i16 status;
            u32 handle;
            u64 bus_address;
        } map{hole, 2, 8, own, 1, 0, 0};
        struct {
            u64 at;
            u64 bus_address;
            u32 handle;
            i16 status;
        } unmap{hole, 0, 0, 1};
        if (hypercall(hypercall_grant_table_op, 0, address(&map), 1) != 0 || map.status != 0)
            return false;
        unmap.handle = map.handle;
        return hypercall(hypercall_grant_table_op, 1, address(&unmap), 1) == 0 && unmap.status == 0;
    }
    bool ready{false};

  private:
    static constexpr u64 hypercall_memory_op = 12;
    static constexpr u64 hypercall_grant_table_op = 20;
    static constexpr u16 self = 0x7ff0;
    static constexpr u64 table_at = 0x200'1000;
    static constexpr u64 hole = 0x5000'0000;
    static inline u16 own{};
    static u64 address(const volatile void* at) {
        // SAFETY: identity-mapped.
        return reinterpret_cast<u64>(at);
    }
    alignas(4096) static inline std::array<std::array<u8, 4096>, 2> pages;
};

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
    Grants grants;
    if (!grants.ready)
        return Verdict::success; // on the back end alone (tests/bare) there is no guest ABI
    if (!grants.copy() || !grants.map_and_unmap())
        return Verdict::error;
    print_value("bench.grant.copy", ticks_per_round([&grants] { (void)grants.copy(); }) - empty);
    print_value("bench.grant.map_and_unmap",
                ticks_per_round([&grants] { (void)grants.map_and_unmap(); }) - empty);
    bench_events();
    return Verdict::success;
}

} // namespace ravelin::guest_test

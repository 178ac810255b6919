// SPDX-License-Identifier: Apache-2.0
// Attack: what another domain granted, and what it did not. Two domains run this program. Domain 1
// grants domain 2 a page to write, one to read and one more for domain 7, keeps a secret, and takes
// the first grant back. Domain 2 reaches what it was given, and then tries everything else: wrong
// references, a read-only page, another's grant, a revoked one, foreign frames, endless batches.
#include "../guest.hpp"

#include <array>

namespace ravelin::guest_test {

namespace {

constexpr u64 hypercall_memory_op = 12;
constexpr u64 hypercall_grant_table_op = 20;
constexpr u64 self = 0x7ff0;
constexpr u64 table_at = 0x300'0000; // guest-physical places in this guest's RAM, and one beyond
constexpr u64 hole = 0x5000'0000;
constexpr u64 unmapped = u64{1} << 45;
constexpr u16 victim = 1;
constexpr u16 attacker = 2;
enum Reference : u32 { revoked = 8, status = 9, report = 10, another = 11 };

struct Map { // [xen/grant_table.h]
    u64 host_address;
    u32 flags;
    u32 reference;
    u16 domain;
    i16 result;
    u32 handle;
    u64 bus_address;
};
struct Unmap {
    u64 host_address;
    u64 bus_address;
    u32 handle;
    i16 result;
};
struct End {
    u64 page;
    u16 domain;
    u16 offset;
};
struct Copy {
    End source;
    End target;
    u16 size;
    u16 flags;
    i16 result;
};
static_assert(sizeof(Map) == 32 && sizeof(Unmap) == 24 && sizeof(Copy) == 40);
struct AddToPhysmap {
    u16 domain;
    u16 size;
    u32 space;
    u64 index;
    u64 page;
};
struct Reservation {
    const u64* extents;
    u64 count;
    u32 order;
    u32 flags;
    u16 domain;
};

alignas(4096) std::array<volatile u64, 512> pages[4];

template <typename T> u64 address(const T& of) {
    // SAFETY: identity-mapped.
    return reinterpret_cast<u64>(&of);
}
/// The hypervisor writes to the operation, and may come back to it several times.
template <typename T> i64 grant_operation(u64 number, T& operation, u64 count = 1) {
    return hypercall(hypercall_grant_table_op, number, address(operation), count);
}
i16 map(u16 domain, u32 reference, bool writes, u32* handle = nullptr) {
    Map map{hole, writes ? 2u : 6u, reference, domain, 1, 0, 0};
    if (grant_operation(0, map) != 0)
        return 1;
    if (handle != nullptr)
        *handle = map.handle;
    return map.result;
}
i16 unmap(u32 handle, u64 at = hole) {
    Unmap unmap{at, 0, handle, 1};
    return grant_operation(1, unmap) == 0 ? unmap.result : i16{1};
}
/// Copies the first word of a page of domain 1's, or to it.
i16 copy_from(u32 reference, volatile u64& to) {
    Copy copy{{reference, victim, 0}, {address(to) >> 12, self, 0}, 8, 1, 1};
    copy.target.offset = static_cast<u16>(address(to) & 0xfff);
    return grant_operation(5, copy) == 0 ? copy.result : i16{1};
}
i16 copy_to(u32 reference, const volatile u64& from) {
    Copy copy{{address(from) >> 12, self, 0}, {reference, victim, 0}, 8, 2, 1};
    copy.source.offset = static_cast<u16>(address(from) & 0xfff);
    return grant_operation(5, copy) == 0 ? copy.result : i16{1};
}
void let_others_run() {
    (void)hypercall(hypercall_sched_op, 0);
}

Verdict be_attacked() {
    AddToPhysmap show{victim, 0, 1, 0, table_at >> 12};
    if (hypercall(hypercall_memory_op, 7, address(show)) != 0)
        return Verdict::error;
    // SAFETY: the grant table was shown there; identity-mapped.
    auto* const table = reinterpret_cast<volatile u64*>(table_at);
    const auto grant = [table](u32 reference, u16 to, u64 page, u64 flags) {
        table[reference] = flags | u64{to} << 16 | page >> 12 << 32;
    };
    grant(status, attacker, address(pages[1]), 5);
    grant(report, attacker, address(pages[2]), 1);
    grant(another, 7, address(pages[3]), 1);
    pages[3][0] = 0x5ec3e7;
    grant(revoked, attacker, address(pages[0]), 1);
    while (pages[2][0] != 1)
        let_others_run();
    if ((table[revoked] & 0x18) != 0)
        return Verdict::failure;
    const bool was_written = pages[0][0] == 0x77;
    table[revoked] = 0;
    pages[1][0] = 2;
    while (pages[2][0] != 3)
        let_others_run();
    return was_written && pages[1][0] == 2 && pages[0][0] == 0x77 && pages[3][0] == 0x5ec3e7
               ? Verdict::success
               : Verdict::failure;
}

bool refused(const char* what, bool is) {
    if (!is) {
        print("not refused: ");
        print(what);
        print("\n");
    }
    return is;
}

Verdict attack() {
    u32 handle = 0;
    unsigned tries = 0;
    while (map(victim, revoked, true, &handle) != 0) {
        if (++tries == 100'000)
            return Verdict::error;
        let_others_run();
    }
    const u64 window = map_physical(hole);
    if (probe_store(window, 0x77))
        return Verdict::error;
    // While it is mapped: its handle at other places, its page as one's own, the page given away.
    const u64 extent = hole >> 12;
    Reservation give{&extent, 1, 0, 0, static_cast<u16>(self)};
    bool good = refused("a handle elsewhere", unmap(handle, hole + 0x1000) == -4) &&
                refused("a handle that is none", unmap(handle + 1) == -4) &&
                refused("over a mapped page", map(victim, report, true) < 0) &&
                refused("giving another's page away",
                        hypercall(hypercall_memory_op, 1, address(give)) == 0) &&
                refused("unmapping", unmap(handle) == 0 && unmap(handle) == -4);
    if (probe_load(window).value == 0x77)
        return Verdict::failure;
    pages[0][0] = 1;
    if (!good || copy_to(report, pages[0][0]) != 0)
        return Verdict::failure;
    do {
        let_others_run();
        if (copy_from(status, pages[1][0]) != 0)
            return Verdict::error;
    } while (pages[1][0] != 2);
    AddToPhysmap foreign{static_cast<u16>(self), victim, 4, address(pages[3]) >> 12, hole >> 12};
    AddToPhysmap theirs{victim, 0, 1, 0, hole >> 12};
    const u64 extents[1]{hole >> 12};
    Reservation endless{extents, ~u64{0} >> 6, 9, 0, static_cast<u16>(self)};
    Reservation too_large{extents, 1, 30, 0, static_cast<u16>(self)};
    Map request{hole, 2, revoked, victim, 1, 0, 0};
    good =
        refused("a revoked grant", map(victim, revoked, false) == -1) &&
        refused("copying by it", copy_from(revoked, pages[1][1]) == -1) &&
        refused("writing a read-only grant", map(victim, status, true) == -1) &&
        refused("copying to it", copy_to(status, pages[0][0]) == -1) &&
        refused("another domain's grant", map(victim, another, false) == -1) &&
        refused("copying by that", copy_from(another, pages[1][1]) == -1) &&
        refused("a reference beyond the table", map(victim, 0xffff'ffff, false) == -3) &&
        refused("a domain that is none", map(0x7fff, revoked, false) == -2) &&
        refused("DOMID_SELF", map(self, revoked, false) == -2) &&
        refused("2^32-1 operations nowhere",
                hypercall(hypercall_grant_table_op, 0, unmapped, 0xffff'ffff) == -14) &&
        refused("a foreign frame", hypercall(hypercall_memory_op, 7, address(foreign)) < 0) &&
        refused("another's table", hypercall(hypercall_memory_op, 7, address(theirs)) == -1) &&
        refused("more memory than there is",
                hypercall(hypercall_memory_op, 6, address(too_large)) == 0) &&
        refused("2^58 extents", hypercall(hypercall_memory_op, 6, address(endless)) <= 0) &&
        refused("the machine's map", hypercall(hypercall_memory_op, 10, address(request)) == -38);
    pages[0][0] = 3;
    if (copy_to(report, pages[0][0]) != 0)
        return Verdict::error;
    return good && pages[1][1] == 0 ? Verdict::success : Verdict::failure;
}

} // namespace

Verdict guest_main() {
    switch (cpuid(0x4000'0004).ecx) {
    case victim:
        return be_attacked();
    case attacker:
        return attack();
    default:
        return Verdict::error;
    }
}

} // namespace ravelin::guest_test

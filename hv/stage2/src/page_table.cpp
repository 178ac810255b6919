// SPDX-License-Identifier: Apache-2.0
// Stage-2 tables: see page_table.hpp for the invariant. Recursion is at most four deep.
#include "entry.hpp"

#include <hv/stage2/page_table.hpp>

#include <algorithm>
#include <atomic>

namespace ravelin::hv::stage2 {

namespace {

constexpr u64 guest_limit = u64{1} << 48;

/// The slots of one table that a range touches, cut to each slot.
struct Slots {
    u64 first;
    u64 end;
    unsigned level;

    template <typename Body> void for_each(Body&& body) const {
        const u64 bytes = entry::page_bytes(level);
        for (u64 at = first; at < end;) {
            const u64 next = std::min(end, (at & ~(bytes - 1)) + bytes);
            body(entry::index(at, level), at, next);
            at = next;
        }
    }
};

} // namespace

inline u64* PageTable::slot(HostFrame table, u64 index) const {
    return linear_ != nullptr ? linear_ + (table.raw() * 512 + index) : &memory_.page(table)[index];
}

inline u64 PageTable::load(HostFrame table, u64 index) const {
    return std::atomic_ref{*slot(table, index)}.load(std::memory_order_acquire);
}

/// The slot of one small page; nullptr where there is no table of those.
u64* PageTable::small_slot(u64 guest) const {
    HostFrame table = root_;
    for (unsigned level = entry::levels; level > 1; --level) {
        const u64 e = load(table, entry::index(guest, level));
        if (!entry::is_present(e) || entry::is_leaf(e, level))
            return nullptr;
        table = HostFrame::of(HostPhysical{entry::address(e)});
    }
    return slot(table, entry::index(guest, 1));
}

PageTable::PageTable(Layout layout, TableMemory& memory, StoreObserver* observer)
    : layout_{layout}, memory_{memory}, observer_{observer} {}

PageTable::~PageTable() {
    if (tables_ == 0)
        return;
    flush();
    release_in(root_, entry::levels);
}

void PageTable::release_in(HostFrame table, unsigned level) {
    for (u64 i = 0; i < 512 && level > 1; ++i) {
        const u64 e = load(table, i);
        if (entry::is_present(e) && !entry::is_leaf(e, level))
            release_in(HostFrame::of(HostPhysical{entry::address(e)}), level - 1);
    }
    memory_.release(table);
    --tables_;
}

Status<Error> PageTable::initialise() {
    const auto root = memory_.allocate();
    if (!root)
        return Failure{Error::out_of_frames};
    root_ = root.value();
    linear_ = memory_.linear();
    tables_ = 1;
    return Unit{};
}

Status<Error> PageTable::check(GuestPhysical guest, Bytes size) const {
    ensure(tables_ != 0, "stage-2 table used before initialise()");
    if (!guest.is_aligned(page_size) || size.raw() % page_size != 0 || size.raw() == 0)
        return Failure{Error::misaligned};
    if (guest.raw() >= guest_limit || size.raw() > guest_limit - guest.raw())
        return Failure{Error::out_of_range};
    return Unit{};
}

Status<Error>
PageTable::map(GuestPhysical guest, HostPhysical host, Bytes size, Access access, MemoryType type) {
    const LockGuard guard{lock_};
    (void)RAVELIN_TRY(check(guest, size));
    if (!host.is_aligned(page_size))
        return Failure{Error::misaligned};
    if (host.raw() > entry::address_mask || size.raw() > entry::address_mask - host.raw())
        return Failure{Error::out_of_range};
    if (!allows(access, Access::read))
        return Failure{Error::unsupported_rights};
    if (size.raw() == page_size) {
        if (u64* const small = small_slot(guest.raw());
            small != nullptr && !entry::is_present(*small)) {
            store(*small, entry::leaf(layout_.format, host.raw(), 1, access, type));
            return Unit{};
        }
    }
    const Range range{guest.raw(), guest.raw() + size.raw()};
    if (!all_unmapped(root_, entry::levels, range))
        return Failure{Error::already_mapped};
    auto done = map_in(root_, entry::levels, range, host.raw(), access, type);
    if (!done) {
        // What was mapped consists of whole pages inside the range, so undoing it never splits.
        losses_.fetch_add(1);
        clear_leaves(root_, entry::levels, range);
        losses_.fetch_add(1);
        flush();
    }
    return done;
}

Status<Error> PageTable::map_in(
    HostFrame table, unsigned level, Range range, u64 host, Access access, MemoryType type) {
    const u64 bytes = entry::page_bytes(level);
    const bool may_be_leaf = level <= static_cast<unsigned>(layout_.largest) + 1;
    Status<Error> outcome{Unit{}};
    Slots{range.first, range.end, level}.for_each([&](u64 i, u64 at, u64 next) {
        if (!outcome)
            return;
        const u64 target = host + (at - range.first);
        u64 e = load(table, i);
        if (!entry::is_present(e) && may_be_leaf && next - at == bytes && target % bytes == 0) {
            store(table, i, entry::leaf(layout_.format, target, level, access, type));
            return;
        }
        if (!entry::is_present(e)) {
            const auto lower = new_table();
            if (!lower) {
                outcome = Failure{lower.error()};
                return;
            }
            e = entry::table(layout_.format, lower.value());
            store(table, i, e);
        }
        outcome = map_in(HostFrame::of(HostPhysical{entry::address(e)}),
                         level - 1,
                         Range{at, next},
                         target,
                         access,
                         type);
    });
    return outcome;
}

bool PageTable::all_unmapped(HostFrame table, unsigned level, Range range) const {
    bool free = true;
    Slots{range.first, range.end, level}.for_each([&](u64 i, u64 at, u64 next) {
        const u64 e = load(table, i);
        if (!free || !entry::is_present(e))
            return;
        free = !entry::is_leaf(e, level) &&
               all_unmapped(
                   HostFrame::of(HostPhysical{entry::address(e)}), level - 1, Range{at, next});
    });
    return free;
}

/// The table of 4 KiB pages that `address`, which is mapped, is in: a large page on the way is
/// replaced by a full table of smaller pages that translate alike.
Result<HostFrame, Error> PageTable::split_down(u64 address) {
    HostFrame table = root_;
    for (unsigned level = entry::levels; level > 1; --level) {
        const u64 i = entry::index(address, level);
        u64 e = load(table, i);
        if (entry::is_leaf(e, level)) {
            const HostFrame lower = RAVELIN_TRY(new_table());
            const Access access = entry::access(layout_.format, e);
            const MemoryType type = entry::type(layout_.format, e);
            const TablePage page = memory_.page(lower);
            const u64 step = entry::page_bytes(level - 1);
            for (u64 n = 0; n < page.size(); ++n)
                page[n] = entry::leaf(
                    layout_.format, entry::address(e) + n * step, level - 1, access, type);
            e = entry::table(layout_.format, lower);
            store(table, i, e);
        }
        table = HostFrame::of(HostPhysical{entry::address(e)});
    }
    return table;
}

Status<Error> PageTable::unmap_page(GuestPhysical guest, HostPhysical host) {
    const LockGuard guard{lock_};
    (void)RAVELIN_TRY(check(guest, Bytes{page_size}));
    u64* small = small_slot(guest.raw());
    if (small == nullptr) { // a hole, or in a large page
        const auto found = translate(guest);
        if (!found || found->address != host)
            return Failure{Error::not_mapped};
        small = slot(RAVELIN_TRY(split_down(guest.raw())), entry::index(guest.raw(), 1));
    }
    if (!entry::is_present(*small) || entry::address(*small) != host.raw())
        return Failure{Error::not_mapped};
    losses_.fetch_add(1);
    store(*small, 0);
    losses_.fetch_add(1);
    flush();
    return Unit{};
}

void PageTable::clear_leaves(HostFrame table, unsigned level, Range range) {
    Slots{range.first, range.end, level}.for_each([&](u64 i, u64 at, u64 next) {
        const u64 e = load(table, i);
        if (!entry::is_present(e))
            return;
        if (entry::is_leaf(e, level))
            store(table, i, 0);
        else
            clear_leaves(
                HostFrame::of(HostPhysical{entry::address(e)}), level - 1, Range{at, next});
    });
}

std::optional<Translation> PageTable::translate(GuestPhysical guest) const {
    if (guest.raw() >= guest_limit)
        return std::nullopt;
    HostFrame table = root_;
    for (unsigned level = entry::levels; level >= 1; --level) {
        const u64 e = load(table, entry::index(guest.raw(), level));
        if (!entry::is_present(e))
            return std::nullopt;
        if (entry::is_leaf(e, level)) {
            const u64 bytes = entry::page_bytes(level);
            return Translation{HostPhysical{entry::address(e) + guest.raw() % bytes},
                               bytes,
                               entry::access(layout_.format, e),
                               entry::type(layout_.format, e)};
        }
        table = HostFrame::of(HostPhysical{entry::address(e)});
    }
    return std::nullopt;
}

std::optional<HostPhysical> PageTable::find_ram(GuestPhysical guest, Access wanted) const {
    if (guest.raw() >= guest_limit)
        return std::nullopt;
    HostFrame table = root_;
    for (unsigned level = entry::levels;; --level) {
        const u64 e = load(table, entry::index(guest.raw(), level));
        if (!entry::is_present(e))
            return std::nullopt;
        if (!entry::is_leaf(e, level)) [[likely]] {
            table = HostFrame::of(HostPhysical{entry::address(e)});
            continue;
        }
        if (!allows(entry::access(layout_.format, e), wanted) ||
            entry::type(layout_.format, e) != MemoryType::write_back)
            return std::nullopt;
        return HostPhysical{entry::address(e) | (guest.raw() & (entry::page_bytes(level) - 1))};
    }
}

void PageTable::store(u64& slot, u64 value) {
    std::atomic_ref{slot}.store(value, std::memory_order_release);
    if (observer_ != nullptr)
        observer_->stored();
}

Result<HostFrame, Error> PageTable::new_table() {
    if (tables_ >= limit_)
        return Failure{Error::out_of_frames};
    const auto table = memory_.allocate();
    if (!table)
        return Failure{Error::out_of_frames};
    ++tables_;
    return table.value();
}

void PageTable::flush() {
    if (invalidator_ != nullptr)
        invalidator_->invalidate();
}

} // namespace ravelin::hv::stage2

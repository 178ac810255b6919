// SPDX-License-Identifier: Apache-2.0
#include "iommu/second_level.hpp"

#include <algorithm>

namespace ravelin::iommu {
namespace {

using Entry = SecondLevelEntry;

constexpr u64 bytes_at(unsigned level) {
    return u64{1} << (page_shift + 9 * (level - 1));
}
constexpr usize index_at(u64 address, unsigned level) {
    return (address >> (page_shift + 9 * (level - 1))) & 511;
}
constexpr HostFrame child(u64 entry) {
    return HostFrame::of(HostPhysical{entry & table_address_mask});
}

} // namespace

SecondLevelTable::~SecondLevelTable() {
    if (root_)
        release_below(*root_, geometry_.levels);
}

void SecondLevelTable::release_below(HostFrame table, unsigned level) {
    if (level > 1)
        for (const u64 entry : writer_.memory().page(table))
            if (Entry::present(entry) && !Entry::is_leaf(entry, level))
                release_below(child(entry), level - 1);
    writer_.memory().release(table);
}

Result<HostFrame, Error> SecondLevelTable::new_table() {
    const HostFrame frame = RAVELIN_TRY(writer_.allocate());
    ++tables_;
    return frame;
}

Status<Error> SecondLevelTable::initialise() {
    root_ = RAVELIN_TRY(new_table());
    return Unit{};
}

Result<SecondLevelTable::Range, Error> SecondLevelTable::check(GuestPhysical start,
                                                               Bytes size) const {
    const unsigned bits = std::min(geometry_.address_bits, 12 + 9 * geometry_.levels);
    const u64 limit = u64{1} << bits;
    if (size.raw() == 0 || !start.is_aligned(page_size) || size.raw() % page_size != 0)
        return Failure{Error::misaligned};
    if (start.raw() >= limit || size.raw() > limit - start.raw())
        return Failure{Error::out_of_range};
    return Range{start.raw(), start.raw() + size.raw()};
}

SecondLevelTable::Content
SecondLevelTable::content(HostFrame table, unsigned level, Range range) const {
    bool nothing = true;
    bool everything = true;
    for (u64 at = range.start; at < range.end;) {
        const u64 next = std::min(range.end, (at / bytes_at(level) + 1) * bytes_at(level));
        const u64 entry = writer_.memory().page(table)[index_at(at, level)];
        Content part = Content::nothing;
        if (Entry::present(entry))
            part = Entry::is_leaf(entry, level) ? Content::everything
                                                : content(child(entry), level - 1, {at, next});
        nothing = nothing && part == Content::nothing;
        everything = everything && part == Content::everything;
        at = next;
    }
    if (nothing)
        return Content::nothing;
    return everything ? Content::everything : Content::some;
}

unsigned SecondLevelTable::leaf_level(u64 guest, u64 host, u64 left) const {
    unsigned level = geometry_.largest_leaf;
    while (level > 1 && ((guest | host) % bytes_at(level) != 0 || left < bytes_at(level)))
        --level;
    return level;
}

/// Sets the leaf for `guest` at `level`; false when a table of smaller pages is there already.
Result<bool, Error>
SecondLevelTable::place(u64 guest, HostPhysical host, unsigned level, Access access) {
    HostFrame table = *root_;
    for (unsigned at = geometry_.levels; at > level; --at) {
        u64& entry = writer_.memory().page(table)[index_at(guest, at)];
        if (!Entry::present(entry))
            writer_.store(entry, Entry::table(RAVELIN_TRY(new_table())));
        table = child(entry);
    }
    u64& entry = writer_.memory().page(table)[index_at(guest, level)];
    if (Entry::present(entry))
        return false;
    writer_.store(entry, Entry::leaf(host, level, access));
    return true;
}

Status<Error>
SecondLevelTable::map(GuestPhysical start, HostPhysical host, Bytes size, Access access) {
    const Range range = RAVELIN_TRY(check(start, size));
    if (!host.is_aligned(page_size))
        return Failure{Error::misaligned};
    if ((host.raw() + size.raw() - 1) >> 52 != 0)
        return Failure{Error::out_of_range};
    const Access rights = access & Access::read_write;
    if (rights == Access::none)
        return Failure{Error::no_rights};
    if (content(*root_, geometry_.levels, range) != Content::nothing)
        return Failure{Error::already_mapped};
    for (u64 at = range.start; at < range.end;) {
        const HostPhysical target = host + (at - range.start);
        unsigned level = leaf_level(at, target.raw(), range.end - at);
        auto placed = place(at, target, level, rights);
        while (placed && !placed.value())
            placed = place(at, target, --level, rights);
        if (!placed) {
            // What is there of this mapping goes again. The cause is reported, whatever the units
            // say to that: an error of theirs keeps the tables from being reused.
            (void)clear(*root_, geometry_.levels, range);
            (void)release_retired();
            return Failure{placed.error()};
        }
        at += bytes_at(level);
    }
    return Unit{};
}

/// Makes `guest` the start of a page of its own, without changing what anything translates to.
Status<Error> SecondLevelTable::split_at(u64 guest) {
    HostFrame table = *root_;
    for (unsigned level = geometry_.levels; level > 1; --level) {
        u64& entry = writer_.memory().page(table)[index_at(guest, level)];
        if (guest % bytes_at(level) == 0 || !Entry::present(entry))
            return Unit{};
        if (Entry::is_leaf(entry, level)) {
            const HostFrame pieces = RAVELIN_TRY(new_table());
            const TablePage page = writer_.memory().page(pieces);
            for (usize i = 0; i < page.size(); ++i)
                writer_.store(
                    page[i],
                    Entry::leaf(HostPhysical{entry & table_address_mask} + i * bytes_at(level - 1),
                                level - 1,
                                Entry::access(entry)));
            writer_.store(entry, Entry::table(pieces));
        }
        table = child(entry);
    }
    return Unit{};
}

Status<Error> SecondLevelTable::unmap(GuestPhysical start, Bytes size) {
    const Range range = RAVELIN_TRY(check(start, size));
    if (content(*root_, geometry_.levels, range) != Content::everything)
        return Failure{Error::not_mapped};
    (void)RAVELIN_TRY(split_at(range.start));
    (void)RAVELIN_TRY(split_at(range.end)); // one past the last table is a multiple of all sizes
    (void)RAVELIN_TRY(clear(*root_, geometry_.levels, range));
    return release_retired();
}

/// Clears every leaf in the range and unlinks tables that hold nothing any more. Precondition: no
/// leaf crosses the range's ends.
Status<Error> SecondLevelTable::clear(HostFrame table, unsigned level, Range range) {
    for (u64 at = range.start; at < range.end;) {
        const u64 next = std::min(range.end, (at / bytes_at(level) + 1) * bytes_at(level));
        u64& entry = writer_.memory().page(table)[index_at(at, level)];
        if (Entry::present(entry) && Entry::is_leaf(entry, level)) {
            writer_.store(entry, 0);
        } else if (Entry::present(entry)) {
            const HostFrame below = child(entry);
            (void)RAVELIN_TRY(clear(below, level - 1, {at, next}));
            const TablePage page = writer_.memory().page(below);
            if (std::none_of(page.begin(), page.end(), Entry::present)) {
                writer_.store(entry, 0);
                (void)RAVELIN_TRY(retire(below));
            }
        }
        at = next;
    }
    return Unit{};
}

Status<Error> SecondLevelTable::retire(HostFrame table) {
    if (retired_.full())
        (void)RAVELIN_TRY(release_retired());
    const bool kept = retired_.push_back(table);
    ensure(kept, "there is room after release_retired()");
    return Unit{};
}

Status<Error> SecondLevelTable::release_retired() {
    (void)RAVELIN_TRY(units_.forget_translations());
    for (const HostFrame frame : retired_) {
        writer_.memory().release(frame);
        --tables_;
    }
    retired_.clear();
    return Unit{};
}

std::optional<SecondLevelTable::Translation>
SecondLevelTable::translate(GuestPhysical address) const {
    if (!check(address.align_down(page_size), Bytes{page_size}))
        return std::nullopt;
    HostFrame table = *root_;
    for (unsigned level = geometry_.levels; level >= 1; --level) {
        const u64 entry = writer_.memory().page(table)[index_at(address.raw(), level)];
        if (!Entry::present(entry))
            return std::nullopt;
        if (Entry::is_leaf(entry, level))
            return Translation{HostPhysical{entry & table_address_mask} +
                                   address.raw() % bytes_at(level),
                               Entry::access(entry)};
        table = child(entry);
    }
    return std::nullopt;
}

} // namespace ravelin::iommu

// SPDX-License-Identifier: Apache-2.0
// Building and reading the hypervisor's page tables.
#include "hv/mm/host_tables.hpp"

#include <base/bits.hpp>

namespace ravelin::hv::mm {
namespace {

struct Entry { // [SDM vol3 table 4-15 to 4-20]
    using Present = BitFlag<u64, 0>;
    using Writable = BitFlag<u64, 1>;
    using WriteThrough = BitFlag<u64, 3>;
    using CacheDisable = BitFlag<u64, 4>;
    using Accessed = BitFlag<u64, 5>;
    using Dirty = BitFlag<u64, 6>;
    using Large = BitFlag<u64, 7>;
    using FrameNumber = BitField<u64, 51, 12>;
    using NoExecute = BitFlag<u64, 63>;
};

constexpr unsigned levels = 4;
constexpr unsigned shift_of(unsigned level) {
    return page_shift + 9 * (level - 1);
}
constexpr usize index_of(u64 address, unsigned level) {
    return (address >> shift_of(level)) & 511;
}

u64 leaf(HostPhysical physical, Protection protection, Cache cache, unsigned level) {
    // Accessed and dirty are set from the start: no walk ever writes to these tables.
    return Entry::Present::of(true) | Entry::FrameNumber::of(physical.raw() >> page_shift) |
           Entry::Accessed::of(true) | Entry::Dirty::of(true) |
           Entry::Writable::of(protection == Protection::read_write) |
           Entry::NoExecute::of(protection != Protection::read_execute) |
           Entry::Large::of(level > 1) | Entry::CacheDisable::of(cache == Cache::uncached) |
           Entry::WriteThrough::of(cache == Cache::uncached);
}

} // namespace

Status<HostTableError> HostTables::initialise() {
    const auto root = memory_.allocate();
    if (!root)
        return Failure{HostTableError::out_of_frames};
    root_ = root.value();
    tables_ = 1;
    return Unit{};
}

Result<u64*, HostTableError> HostTables::entry_for(u64 address, unsigned level) {
    HostFrame table = root_;
    for (unsigned at = levels; at > level; --at) {
        u64& entry = memory_.page(table)[index_of(address, at)];
        if (!Entry::Present::get(entry)) {
            const auto next = memory_.allocate();
            if (!next)
                return Failure{HostTableError::out_of_frames};
            ++tables_;
            entry = Entry::Present::of(true) | Entry::Writable::of(true) |
                    Entry::Accessed::of(true) | Entry::FrameNumber::of(next.value().raw());
        } else if (Entry::Large::get(entry)) {
            return Failure{HostTableError::already_mapped};
        }
        table = HostFrame{Entry::FrameNumber::get(entry)};
    }
    return &memory_.page(table)[index_of(address, level)];
}

Status<HostTableError> HostTables::map(HostVirtual at,
                                       HostPhysical physical,
                                       Bytes size,
                                       Protection protection,
                                       Cache cache,
                                       u64 largest) {
    if (!at.is_aligned(page_size) || !physical.is_aligned(page_size) || size.raw() % page_size != 0)
        return Failure{HostTableError::misaligned};
    for (u64 done = 0; done < size.raw();) {
        unsigned level = 1;
        while (level < 3 && (u64{1} << shift_of(level + 1)) <= largest &&
               (at + done).is_aligned(u64{1} << shift_of(level + 1)) &&
               (physical + done).is_aligned(u64{1} << shift_of(level + 1)) &&
               size.raw() - done >= (u64{1} << shift_of(level + 1)))
            ++level;
        u64& entry = *RAVELIN_TRY(entry_for((at + done).raw(), level));
        if (Entry::Present::get(entry))
            return Failure{HostTableError::already_mapped};
        entry = leaf(physical + done, protection, cache, level);
        done += u64{1} << shift_of(level);
    }
    return Unit{};
}

bool HostTables::translate(HostVirtual at, Translation& out) const {
    HostFrame table = root_;
    for (unsigned level = levels; level > 0; --level) {
        const u64 entry = memory_.page(table)[index_of(at.raw(), level)];
        if (!Entry::Present::get(entry))
            return false;
        const HostFrame frame{Entry::FrameNumber::get(entry)};
        if (level > 1 && !Entry::Large::get(entry)) {
            table = frame;
            continue;
        }
        out.address = frame.address() + (at.raw() & ((u64{1} << shift_of(level)) - 1));
        out.protection = Entry::Writable::get(entry)    ? Protection::read_write
                         : Entry::NoExecute::get(entry) ? Protection::read_only
                                                        : Protection::read_execute;
        out.cache = Entry::CacheDisable::get(entry) ? Cache::uncached : Cache::write_back;
        return true;
    }
    return false;
}

} // namespace ravelin::hv::mm

// SPDX-License-Identifier: Apache-2.0
// Stage-2 page tables: guest-physical to host-physical, 4 levels, pages of 4 KiB, 2 MiB and 1 GiB.
// One code for AMD nested pages [AMD APM vol2 15.25] and Intel EPT [SDM vol3 29.3.2]; only the
// entry encoding differs. Every change is one atomic 64-bit store between two states that are both
// valid, so that a CPU or a test walking at any moment sees the old or the new translation. It
// trusts its TableMemory and nothing of the guest.
#pragma once

#include <base/lock.hpp>
#include <base/table_memory.hpp>
#include <base/types.hpp>

#include <atomic>
#include <optional>

namespace ravelin::hv::stage2 {

enum class Format : u8 { nested_pages, extended_page_tables };

/// The largest page the CPU's stage-2 walker takes.
enum class LargestPage : u8 { size_4k, size_2m, size_1g };

struct Layout {
    Format format{Format::nested_pages};
    LargestPage largest{LargestPage::size_2m};
};

enum class MemoryType : u8 { write_back, uncached };

enum class Error : u8 {
    out_of_frames,      ///< no frame for a table
    misaligned,         ///< an address or size is not a multiple of 4 KiB, or the size is zero
    out_of_range,       ///< beyond the 48 bits a four-level table translates
    already_mapped,     ///< map() over something mapped
    not_mapped,         ///< unmap_page() of something else, or of a hole
    unsupported_rights, ///< rights without read: the AMD format cannot say that
};

/// What one guest-physical address translates to.
struct Translation {
    HostPhysical address; ///< of the byte asked for, not of its page
    u64 page_bytes;       ///< size of the page that maps it
    Access access;
    MemoryType type;
};

/// Called after rights shrink, and before the tables go.
class Invalidator {
  public:
    virtual void invalidate() = 0;

  protected:
    ~Invalidator() = default;
};

/// Called after each store to an entry; for tests that replay history.
class StoreObserver {
  public:
    virtual void stored() = 0;

  protected:
    ~StoreObserver() = default;
};

/// Writers take the table's lock; translate() is safe beside them on any CPU, because no table goes
/// before the whole does.
class PageTable {
  public:
    PageTable(Layout layout, TableMemory& memory, StoreObserver* observer = nullptr);
    ~PageTable();
    PageTable(const PageTable&) = delete;
    PageTable& operator=(const PageTable&) = delete;

    /// Allocates the root. Must succeed before anything else is called.
    [[nodiscard]] Status<Error> initialise();
    /// The root, for nCR3 or the EPT pointer.
    [[nodiscard]] HostPhysical root() const { return root_.address(); }

    /// Registers who flushes the CPUs' cached translations; without one nothing is flushed.
    void set_invalidator(Invalidator* invalidator) { invalidator_ = invalidator; }

    /// Maps [guest, guest + size) to [host, host + size) with the largest pages that fit. On an
    /// error nothing is mapped; empty tables may stay.
    [[nodiscard]] Status<Error>
    map(GuestPhysical guest, HostPhysical host, Bytes size, Access access, MemoryType type);
    /// Removes one 4 KiB page, if it is `host` that it maps; not_mapped if not. Splits the large
    /// page it is in.
    [[nodiscard]] Status<Error> unmap_page(GuestPhysical guest, HostPhysical host);

    [[nodiscard]] std::optional<Translation> translate(GuestPhysical guest) const;
    /// translate() for what every hypercall does: the host address, if it is RAM with these rights.
    [[nodiscard]] std::optional<HostPhysical> find_ram(GuestPhysical guest, Access wanted) const;
    /// Grows before a translation goes or loses rights, and again when it has: as long as it is the
    /// same, what was found after reading it still holds.
    [[nodiscard]] u64 losses() const { return losses_.load(std::memory_order_acquire); }

    /// From now on map() and splits fail rather than take more tables than that: a guest that maps
    /// far apart pages uses up its own allowance.
    void set_table_limit(u64 tables) {
        const LockGuard guard{lock_};
        limit_ = tables;
    }
    /// Tables in use, the root included.
    [[nodiscard]] u64 tables() const {
        const LockGuard guard{lock_};
        return tables_;
    }

  private:
    struct Range {
        u64 first; ///< guest-physical
        u64 end;   ///< one beyond
    };
    [[nodiscard]] Status<Error> check(GuestPhysical guest, Bytes size) const;
    [[nodiscard]] bool all_unmapped(HostFrame table, unsigned level, Range range) const;
    [[nodiscard]] Status<Error>
    map_in(HostFrame table, unsigned level, Range range, u64 host, Access access, MemoryType type);
    [[nodiscard]] Result<HostFrame, Error> split_down(u64 address);
    void clear_leaves(HostFrame table, unsigned level, Range range);
    void release_in(HostFrame table, unsigned level);

    [[nodiscard]] u64* slot(HostFrame table, u64 index) const;
    [[nodiscard]] u64* small_slot(u64 guest) const;
    [[nodiscard]] u64 load(HostFrame table, u64 index) const;
    void store(HostFrame table, u64 index, u64 value) { store(*slot(table, index), value); }
    void store(u64& slot, u64 value);
    [[nodiscard]] Result<HostFrame, Error> new_table();
    void flush();

    Layout layout_;
    TableMemory& memory_;
    StoreObserver* observer_;
    Invalidator* invalidator_{};
    HostFrame root_{};
    u64* linear_{}; ///< TableMemory::linear()
    std::atomic<u64> losses_{0};
    u64 tables_{};
    u64 limit_{~u64{0}};
    mutable SpinLock lock_;
};

} // namespace ravelin::hv::stage2

// SPDX-License-Identifier: Apache-2.0
// Stage-2 page tables: guest-physical to host-physical, 4 levels, pages of 4 KiB, 2 MiB and 1 GiB.
// One code for AMD nested pages [AMD APM vol2 15.25] and Intel EPT [SDM vol3 29.3.2]; only the
// entry encoding differs. Every change is one atomic 64-bit store between two tables that are both
// valid, so that a CPU or a test walking at any moment sees the old or the new translation. It
// trusts its TableMemory and nothing of the guest.
#pragma once

#include <base/fixed_vector.hpp>
#include <base/lock.hpp>
#include <base/table_memory.hpp>
#include <base/types.hpp>

#include <optional>

namespace ravelin::hv::stage2 {

enum class Format : u8 { nested_pages, extended_page_tables };

enum class MemoryType : u8 { write_back, uncached };

enum class Error : u8 {
    out_of_frames,  ///< no frame for a table
    misaligned,     ///< an address or size is not a multiple of 4 KiB
    out_of_range,   ///< beyond the 48 bits a four-level table translates
    already_mapped, ///< map() over something mapped
    not_mapped,     ///< unmap() or protect() of a hole
};

/// What one guest-physical address translates to.
struct Translation {
    HostPhysical address; ///< of the byte asked for, not of its page
    u64 page_bytes;       ///< size of the page that maps it
    Access access;
    MemoryType type;
};

/// Called before a table that hardware may still walk is released, and after rights shrink.
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

/// Writers take the table's lock; translate() is safe beside one writer.
class PageTable {
  public:
    PageTable(Format format, TableMemory& memory, StoreObserver* observer = nullptr);
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
    /// error nothing is mapped.
    [[nodiscard]] Status<Error>
    map(GuestPhysical guest, HostPhysical host, Bytes size, Access access, MemoryType type);
    /// Removes [guest, guest + size), splitting large pages at its ends. Fails with nothing changed
    /// when some of it is not mapped or a split finds no frame.
    [[nodiscard]] Status<Error> unmap(GuestPhysical guest, Bytes size);
    /// Changes rights of [guest, guest + size), under the rules of unmap().
    [[nodiscard]] Status<Error> protect(GuestPhysical guest, Bytes size, Access access);
    /// Replaces full tables of contiguous, equal entries inside the range by larger pages.
    void merge(GuestPhysical guest, Bytes size);

    [[nodiscard]] std::optional<Translation> translate(GuestPhysical guest) const;

    /// Tables in use, the root included.
    [[nodiscard]] u64 tables() const { return tables_; }

  private:
    struct Walk;
    [[nodiscard]] Status<Error> check_range(GuestPhysical guest, Bytes size, u64 host) const;
    void store(u64& entry, u64 value);
    void retire(HostFrame table);
    void flush_retired();

    Format format_;
    TableMemory& memory_;
    StoreObserver* observer_;
    Invalidator* invalidator_{};
    HostFrame root_{};
    u64 tables_{};
    SpinLock lock_;
    FixedVector<HostFrame, 64> retired_;
};

} // namespace ravelin::hv::stage2

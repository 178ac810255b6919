// SPDX-License-Identifier: Apache-2.0
// Second-level page tables: what a domain's devices reach. 3 or 4 levels, pages of 4 KiB, 2 MiB and
// 1 GiB. [VT-d 3.7, 9.8] A mapping is there completely or not at all; what was unmapped is
// forgotten by the units before its tables are used for anything else.
#pragma once

#include <base/fixed_vector.hpp>
#include <iommu/structures.hpp>
#include <iommu/table_writer.hpp>

#include <optional>

namespace ravelin::iommu {

/// What all units of the machine can walk.
struct Geometry {
    unsigned levels{4};        ///< 3 or 4
    unsigned largest_leaf{1};  ///< level of the largest page: 1 (4 KiB) to 3 (1 GiB)
    unsigned address_bits{39}; ///< MGAW: a request beyond faults
};

/// Makes the units forget a table's translations; returns when they have.
class Forgetting {
  public:
    [[nodiscard]] virtual Status<Error> forget_translations() = 0;

  protected:
    ~Forgetting() = default;
};

class SecondLevelTable {
  public:
    SecondLevelTable(Geometry geometry, TableWriter writer, Forgetting& units)
        : geometry_{geometry}, writer_{writer}, units_{units} {}
    SecondLevelTable(const SecondLevelTable&) = delete;
    SecondLevelTable& operator=(const SecondLevelTable&) = delete;
    /// Gives the tables back. No device may be attached any more.
    ~SecondLevelTable();

    /// Allocates the root; before anything else.
    [[nodiscard]] Status<Error> initialise();
    [[nodiscard]] HostFrame root() const { return *root_; }
    [[nodiscard]] unsigned levels() const { return geometry_.levels; }

    [[nodiscard]] Status<Error>
    map(GuestPhysical start, HostPhysical host, Bytes size, Access access);
    /// Unmaps pages that are all mapped. After an error from the units nothing is given back: a
    /// device might still reach it.
    [[nodiscard]] Status<Error> unmap(GuestPhysical start, Bytes size);

    struct Translation {
        HostPhysical address;
        Access access;
        friend bool operator==(const Translation&, const Translation&) = default;
    };
    [[nodiscard]] std::optional<Translation> translate(GuestPhysical address) const;
    [[nodiscard]] u64 tables() const { return tables_; }

  private:
    struct Range {
        u64 start;
        u64 end;
    };
    [[nodiscard]] Result<Range, Error> check(GuestPhysical start, Bytes size) const;
    enum class Content : u8 { nothing, everything, some };
    [[nodiscard]] Content content(HostFrame table, unsigned level, Range range) const;
    [[nodiscard]] unsigned leaf_level(u64 guest, u64 host, u64 left) const;
    [[nodiscard]] Result<bool, Error>
    place(u64 guest, HostPhysical host, unsigned level, Access access);
    [[nodiscard]] Status<Error> split_at(u64 guest);
    [[nodiscard]] Result<HostFrame, Error> new_table();
    [[nodiscard]] Status<Error> clear(HostFrame table, unsigned level, Range range);
    [[nodiscard]] Status<Error> retire(HostFrame table);
    [[nodiscard]] Status<Error> release_retired();
    void release_below(HostFrame table, unsigned level);

    Geometry geometry_;
    TableWriter writer_;
    Forgetting& units_;
    std::optional<HostFrame> root_;
    FixedVector<HostFrame, 64> retired_; ///< unlinked; a unit may still walk them
    u64 tables_{};
};

} // namespace ravelin::iommu

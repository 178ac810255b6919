// SPDX-License-Identifier: Apache-2.0
// The interrupt remapping table that all units share: 256 entries, each bound to one device's
// source id. A device raises the interrupts it was given and no other. [VT-d 5]
#pragma once

#include <iommu/remapping_unit.hpp>

#include <array>

namespace ravelin::iommu {

/// What a device's MSI is programmed with to reach its entry. [VT-d 5.1.5.2]
struct RemappedMessage {
    u64 address;
    u32 data;
    friend bool operator==(const RemappedMessage&, const RemappedMessage&) = default;
};

/// An allocated entry. The generation tells it from a later user of the same index.
struct InterruptHandle {
    u16 index;
    u32 generation;
};

class InterruptRemapper {
  public:
    static constexpr usize capacity = 256;

    explicit InterruptRemapper(TableWriter writer) : writer_{writer} {}

    /// Allocates the table; all entries absent.
    [[nodiscard]] Status<Error> initialise();
    [[nodiscard]] HostFrame table() const { return table_; }
    /// Registers a unit that uses the table.
    [[nodiscard]] Status<Error> add_unit(RemappingUnit& unit);

    /// An entry through which `device` raises `vector` on `target`.
    [[nodiscard]] Result<InterruptHandle, Error>
    allocate(PciAddress device, Vector vector, ApicId target);
    /// The entry is absent, and known to be by all units, when this returns. After an error its
    /// index is never used again.
    [[nodiscard]] Status<Error> release(InterruptHandle handle);
    [[nodiscard]] static RemappedMessage message(InterruptHandle handle);

  private:
    [[nodiscard]] Status<Error> forget(u16 index);

    enum class Use : u8 { free, used, lost };
    struct Slot {
        Use use{};
        u32 generation{};
    };

    TableWriter writer_;
    HostFrame table_{};
    FixedVector<RemappingUnit*, 8> units_;
    std::array<Slot, capacity> slots_{};
};

} // namespace ravelin::iommu

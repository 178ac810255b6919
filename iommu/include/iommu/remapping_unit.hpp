// SPDX-License-Identifier: Apache-2.0
// One remapping unit: denies everything from enable_deny_all() on, then lets through what is
// attached. Its tables belong to it; domains' tables and the interrupt table are shared between
// units. [VT-d 11, 10]
#pragma once

#include <iommu/fault.hpp>
#include <iommu/invalidation_queue.hpp>
#include <iommu/second_level.hpp>

#include <array>

namespace ravelin::iommu {

/// What a unit can do, decoded once.
struct Capabilities {
    static Capabilities decode(u64 cap, u64 ecap);
    /// Why the unit cannot be used, if so.
    [[nodiscard]] Status<Error> usable() const;

    bool queued_invalidation{};
    bool interrupt_remapping{};
    Coherency coherency{};
    bool caches_absent_entries{}; ///< CAP.CM
    bool buffers_writes{};        ///< CAP.RWBF
    bool protects_low{};          ///< CAP.PLMR or PHMR: PMEN exists
    bool three_levels{};
    bool four_levels{};
    u8 page_sizes{}; ///< CAP.SLLPS
    unsigned address_bits{};
    u32 domain_tags{};
    u32 fault_offset{};
    u32 fault_records{};
};

/// What units with these capabilities can all walk.
[[nodiscard]] Result<Geometry, Error> common_geometry(std::span<const Capabilities> units);

class RemappingUnit {
  public:
    static constexpr u64 command_timeout_us = 100'000;

    RemappingUnit(RegisterSpace& registers, Platform& platform, TableMemory& memory);
    RemappingUnit(const RemappingUnit&) = delete;
    RemappingUnit& operator=(const RemappingUnit&) = delete;

    [[nodiscard]] const Capabilities& capabilities() const { return capabilities_; }

    /// Turns the unit on with empty tables, whatever the firmware left: from here on every DMA and
    /// every interrupt request of every device is blocked. `interrupts` is the shared table of 256
    /// entries. On failure nothing is promised about what devices reach.
    [[nodiscard]] Status<Error> enable_deny_all(HostFrame interrupts);

    /// Gives a device to the tables under `root`.
    [[nodiscard]] Status<Error>
    attach(u16 source_id, HostFrame root, unsigned levels, DomainTag tag);
    /// Takes it away again and waits until nothing of it is on its way.
    [[nodiscard]] Status<Error> detach(u16 source_id, DomainTag tag);

    [[nodiscard]] Status<Error> forget_domain(DomainTag tag);
    [[nodiscard]] Status<Error> forget_interrupt(u16 index);

    /// Reads and clears the fault records. Context: one CPU at a time.
    [[nodiscard]] FaultBatch take_faults();
    /// Whether an error left the unit's caches unknown. Then nothing changes any more.
    [[nodiscard]] bool failed() const { return failed_; }
    [[nodiscard]] u64 invalidations() const { return queue_.descriptors(); }

  private:
    [[nodiscard]] Status<Error> command(u32 set, u32 clear, u32 status, bool expected);
    [[nodiscard]] Status<Error> turn_off();
    [[nodiscard]] Status<Error> flush_write_buffer();
    [[nodiscard]] Status<Error> invalidate(std::span<const Pair> descriptors);
    [[nodiscard]] Result<u64*, Error> context_entry(u16 source_id);

    RegisterSpace& registers_;
    Platform& platform_;
    Capabilities capabilities_;
    TableWriter writer_;
    InvalidationQueue queue_;
    HostFrame root_{};
    u32 next_fault_{};
    bool failed_{};
};

} // namespace ravelin::iommu

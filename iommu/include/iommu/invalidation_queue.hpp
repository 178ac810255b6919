// SPDX-License-Identifier: Apache-2.0
// Queued invalidation: one page of descriptors, each batch ended by a wait descriptor whose status
// write is awaited for a bounded time. [VT-d 6.5.2]
#pragma once

#include <iommu/structures.hpp>
#include <iommu/table_writer.hpp>

#include <span>

namespace ravelin::iommu {

class InvalidationQueue {
  public:
    static constexpr u64 timeout_us = 100'000;

    InvalidationQueue(RegisterSpace& registers, Platform& platform, TableWriter writer)
        : registers_{registers}, platform_{platform}, writer_{writer} {}

    /// Allocates the queue and points the unit at it. The caller enables it in GCMD.
    [[nodiscard]] Status<Error> prepare();
    /// Hands descriptors over and returns when the unit has done them all. After an error the
    /// unit's caches are unknown.
    [[nodiscard]] Status<Error> perform(std::span<const Pair> descriptors);
    [[nodiscard]] u64 descriptors() const { return descriptors_; }

  private:
    void push(const Pair& descriptor);
    [[nodiscard]] bool refused();

    RegisterSpace& registers_;
    Platform& platform_;
    TableWriter writer_;
    HostFrame queue_{};
    HostFrame status_{};
    usize tail_{}; ///< the unit's head is here too, except within perform()
    u32 token_{};
    u64 descriptors_{};
};

} // namespace ravelin::iommu

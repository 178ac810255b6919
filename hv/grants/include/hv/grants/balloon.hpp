// SPDX-License-Identifier: Apache-2.0
// A domain's memory grows and shrinks, page by page, while it runs. A page it gives up is hidden
// from its CPUs and devices, and only then given back to the allocator, which scrubs it before
// anyone gets it. What anybody else still uses is not given up. [xen/memory.h]
#pragma once

#include <base/fixed_vector.hpp>
#include <base/lock.hpp>
#include <base/result.hpp>
#include <base/types.hpp>
#include <hv/domain/domain.hpp>
#include <hv/grants/dma_mirror.hpp>
#include <hv/mm/frames.hpp>

#include <atomic>

namespace ravelin::hv::grants {

enum class BalloonError : u8 {
    bad_page,   ///< not a page of the domain's own memory; to populate: not a hole
    in_use,     ///< granted and used by another domain, or written to by the hypervisor
    over_limit, ///< the domain may not have more
    no_memory,  ///< no frame free, or none for tables
    again,      ///< too many pages wait for other vCPUs to forget them; nothing was done
};

/// Any CPU; counts are atomic, everything else has its owner's lock.
class Balloon {
  public:
    /// Before anything else; counts memory that is there already.
    void set_up(domain::Domain& domain, mm::FrameAllocator& frames, DmaMirror& dma);

    /// Counts what the builder mapped; that much the domain may have until set_maximum().
    void count_memory();

    /// Gives the domain a zeroed page at a hole.
    [[nodiscard]] Status<BalloonError> populate(GuestFrame at);
    /// Takes a page away. Its frame goes back at once, or, while another vCPU of the domain may be
    /// in the middle of a copy to it, with a later release() or the domain's end. `self` is the
    /// vCPU that asks.
    [[nodiscard]] Status<BalloonError> release(GuestFrame at, const domain::Vcpu* self = nullptr);

    /// In frames.
    [[nodiscard]] u64 current() const { return current_.load(std::memory_order_relaxed); }
    [[nodiscard]] u64 maximum() const { return maximum_.load(std::memory_order_relaxed); }
    /// A domain that has more keeps it.
    void set_maximum(u64 frames);

  private:
    struct Leaving {
        HostFrame frame;
        u64 ticket; ///< of the domain's Grace
    };
    using LeavingFrames = FixedVector<Leaving, 64>;
    [[nodiscard]] bool take_share();
    void give_back(LeavingFrames& leaving, const domain::Vcpu* self);

    // Set once by set_up().
    domain::Domain* domain_{};
    mm::FrameAllocator* frames_{};
    DmaMirror* dma_{};
    u64 built_tables_{};
    Locked<LeavingFrames> leaving_;
    std::atomic<u64> current_{0};
    std::atomic<u64> maximum_{0};
};

} // namespace ravelin::hv::grants

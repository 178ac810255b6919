// SPDX-License-Identifier: Apache-2.0
// A domain's memory as the hypervisor reaches it: guest-physical addresses go through the domain's
// stage-2 table, so that what the guest may not touch the hypervisor does not touch for it. Device
// memory is refused. Every byte is copied; no pointer into guest memory leaves this file's users.
#pragma once

#include <base/result.hpp>
#include <base/types.hpp>
#include <hv/stage2/page_table.hpp>

#include <span>

namespace ravelin::hv::guest {

enum class MemoryError : u8 {
    not_mapped, ///< no stage-2 translation
    not_memory, ///< a device's registers, not RAM
    forbidden,  ///< the stage-2 rights do not allow the access
    unaligned,  ///< an atomic access that is not naturally aligned
};

/// How host frames are reached: the direct map, or an array in a test.
class FrameAccess {
  public:
    /// The bytes of one frame of RAM.
    [[nodiscard]] virtual std::span<u8, page_size> bytes(HostFrame frame) = 0;

  protected:
    ~FrameAccess() = default;
};

class Memory {
  public:
    Memory(const stage2::PageTable& table, FrameAccess& frames) : table_{table}, frames_{frames} {}

    /// Copies out of the guest's memory into `destination`.
    [[nodiscard]] Status<MemoryError> read(GuestPhysical from, std::span<u8> destination) const;
    /// Copies `source` into the guest's memory.
    [[nodiscard]] Status<MemoryError> write(GuestPhysical to, std::span<const u8> source) const;
    /// Zeroes part of the guest's memory.
    [[nodiscard]] Status<MemoryError> clear(GuestPhysical to, Bytes size) const;
    /// Where a byte lies if it is RAM with these rights, up to the end of its page; else nullptr.
    /// For the duration of one exit (Grace).
    [[nodiscard]] u8* reach(GuestPhysical at, Access wanted) const;
    /// As long as it is the same, what was found after reading it still holds.
    [[nodiscard]] u64 losses() const { return table_.losses(); }
    /// One aligned 64-bit load, atomic.
    [[nodiscard]] Result<u64, MemoryError> load(GuestPhysical from) const;
    /// One aligned 64-bit compare-and-swap; true when it was done.
    [[nodiscard]] Result<bool, MemoryError>
    compare_exchange(GuestPhysical at, u64 expected, u64 desired) const;
    /// The host frame behind a guest frame of RAM with at least these rights, e.g. to keep a shared
    /// page mapped.
    [[nodiscard]] Result<HostFrame, MemoryError> frame(GuestFrame frame, Access wanted) const;
    [[nodiscard]] std::span<u8, page_size> bytes(HostFrame frame) const {
        return frames_.bytes(frame);
    }

  private:
    [[nodiscard]] Result<HostPhysical, MemoryError> locate(GuestPhysical at, Access wanted) const;
    [[nodiscard]] Result<u8*, MemoryError> reach_or_say(GuestPhysical at, Access wanted) const;

    const stage2::PageTable& table_;
    FrameAccess& frames_;
};

} // namespace ravelin::hv::guest

// SPDX-License-Identifier: Apache-2.0
// The frame allocator: every 4 KiB frame of RAM has an owner and a type, and nothing is handed out
// twice. Frames that a domain gave back are scrubbed before anyone else gets them. Pure logic over
// an array; the hypervisor gives it the array and the scrubber.
#pragma once

#include <base/lock.hpp>
#include <base/result.hpp>
#include <base/types.hpp>

#include <span>

namespace ravelin::hv::mm {

enum class FrameType : u8 {
    absent,     ///< no RAM there
    reserved,   ///< firmware's, or a device's
    free,       ///< content unknown until it is allocated, which zeroes it
    hypervisor, ///< image, stacks, per-CPU data, logs
    module,     ///< a boot module, until it was copied into its domain
    page_table, ///< host or stage-2 tables
    iommu_table,
    cpu,     ///< VMCB, VMCS, permission maps
    domain,  ///< a domain's memory
    leaving, ///< a domain's memory on its way back: nothing pins it any more
};
constexpr usize frame_types = 10;

constexpr DomainId hypervisor_owner{0x7fff}; ///< owner of everything that is no domain's

/// What is known of one frame. Four bytes, so that 2 GiB need 2 MiB.
/// Written and read under the allocator's lock.
struct FrameInfo {
    static constexpr u16 most_pins = 0xfff;
    DomainId owner{hypervisor_owner};
    FrameType type : 4 {FrameType::absent};
    u16 pins : 12 {0}; ///< uses besides the owner's own mapping
};
static_assert(sizeof(FrameInfo) == 4 && alignof(FrameInfo) == 2);

/// Sizes of a block; it is aligned to its size.
enum class FrameOrder : u8 { size_4k = 0, size_2m = 9, size_1g = 18 };
[[nodiscard]] constexpr u64 frames_of(FrameOrder order) {
    return u64{1} << static_cast<u8>(order);
}

enum class FrameError : u8 { out_of_frames, not_owned, pinned };

/// What frames hold when they are given out. `left`: what was there before, for the hypervisor's
/// own, who writes every byte before it reads it.
enum class Content : u8 { zeroed, left };

/// Zeroes frames. Called with the allocator's lock held, never for frames in use.
class Scrubber {
  public:
    virtual void scrub(HostFrame first, u64 count) = 0;

  protected:
    ~Scrubber() = default;
};

struct FrameCounts {
    u64 total;
    u64 free;
    u64 of_type[frame_types]; ///< by FrameType
};

/// All members take the allocator's lock; any CPU.
class FrameAllocator {
  public:
    constexpr FrameAllocator() = default;
    FrameAllocator(const FrameAllocator&) = delete;
    FrameAllocator& operator=(const FrameAllocator&) = delete;

    /// Starts with every frame absent. `frames` describes frame 0 and up, and outlives the
    /// allocator.
    void initialise(std::span<FrameInfo> frames, Scrubber& scrubber);
    /// Declares RAM. Frames beyond the array are ignored.
    void add_ram(HostFrame first, u64 count);
    /// Takes free frames (or absent ones) out for good, as `type`.
    void reserve(HostFrame first, u64 count, FrameType type);

    /// A zeroed block, aligned to its size.
    [[nodiscard]] Result<HostFrame, FrameError>
    allocate(FrameOrder order, FrameType type, DomainId owner);
    /// `count` contiguous frames below 4 GiB or anywhere; for structures that are larger than a
    /// frame. Zeroing many takes long, with the lock held.
    [[nodiscard]] Result<HostFrame, FrameError> allocate_contiguous(
        u64 count, FrameType type, DomainId owner, Content content = Content::zeroed);
    /// Gives frames of `owner` back; they are scrubbed before they are handed out again. Refused as
    /// a whole when one of them is pinned.
    [[nodiscard]] Status<FrameError> release(HostFrame first, u64 count, DomainId owner);
    /// Turns reserved frames (modules, once copied) into free ones.
    void reclaim(HostFrame first, u64 count, FrameType from);

    /// Keeps a frame of a domain's memory from being released: another domain maps it, the
    /// hypervisor writes to it. Translate once more after pinning: before it, the frame may have
    /// left.
    [[nodiscard]] Status<FrameError> pin(HostFrame frame, DomainId owner);
    /// Undoes one pin().
    void unpin(HostFrame frame);
    /// The first half of giving one frame back while its domain runs: unless it is pinned, nothing
    /// can pin it any more. Then unmap it everywhere and release() it, or keep() it.
    [[nodiscard]] Status<FrameError> begin_release(HostFrame frame, DomainId owner);
    void keep(HostFrame frame);
    /// Gives back what `owner` has and nothing pins, among frames [first, first + count) of the
    /// frame table; how many frames of it are still pinned.
    [[nodiscard]] u64 release_unpinned(HostFrame first, u64 count, DomainId owner);
    /// Frames the allocator knows of: 0 to size() - 1.
    [[nodiscard]] u64 size() const { return frames_.size(); }

    [[nodiscard]] FrameInfo info(HostFrame frame);
    [[nodiscard]] FrameCounts counts();
    /// Ticks and bytes spent on scrubbing would differ by machine; frames do not.
    [[nodiscard]] u64 frames_scrubbed() const { return scrubbed_; }

  private:
    [[nodiscard]] FrameInfo* memory_of(HostFrame frame, DomainId owner);
    [[nodiscard]] bool is_free(u64 frame) const { return frames_[frame].type == FrameType::free; }
    [[nodiscard]] u64 free_run(u64 start, u64 count) const;
    void take(u64 start, u64 count, FrameType type, DomainId owner, Content content);
    [[nodiscard]] Result<HostFrame, FrameError>
    find_aligned(u64 count, FrameType type, DomainId owner);

    SpinLock lock_;
    std::span<FrameInfo> frames_{};
    Scrubber* scrubber_{};
    u64 next_{}; ///< where the search for single frames goes on
    u64 scrubbed_{};
};

} // namespace ravelin::hv::mm

// SPDX-License-Identifier: Apache-2.0
// Which memory may be used after a measured launch: what SINIT's descriptors call good, without
// what TXT and tboot keep. The loader's map may say less, never more.
#pragma once

#include <wire/txt_heap.hpp>

namespace ravelin::tboot {

using wire::txt::MemoryDescriptor;
using wire::txt::MemoryRange;

[[nodiscard]] constexpr bool overlap(const MemoryRange& a, const MemoryRange& b) {
    return a.start < b.start + b.size.raw() && b.start < a.start + a.size.raw();
}
[[nodiscard]] constexpr bool contains(const MemoryRange& outer, const MemoryRange& inner) {
    return outer.start <= inner.start && inner.size <= outer.size &&
           inner.start - outer.start <= outer.size.raw() - inner.size.raw();
}

/// Goes through `range` piece by piece: calls `take(piece, usable)` for each, in ascending order,
/// neighbours of one kind joined. Usable is what some good descriptor covers, no other descriptor
/// does, and none of `kept` touches.
class UsableMemory {
  public:
    UsableMemory(std::span<const MemoryDescriptor> descriptors, std::span<const MemoryRange> kept)
        : descriptors_{descriptors}, kept_{kept} {}

    template <typename Take> void split(const MemoryRange& range, Take&& take) const {
        const u64 end = range.start.raw() + range.size.raw();
        for (u64 at = range.start.raw(); at < end;) {
            const bool usable = is_usable(at);
            u64 next = next_boundary(at, end);
            while (next < end && is_usable(next) == usable)
                next = next_boundary(next, end);
            take(MemoryRange{HostPhysical{at}, Bytes{next - at}}, usable);
            at = next;
        }
    }
    /// All of it, without a gap.
    [[nodiscard]] bool covers(const MemoryRange& range) const;

  private:
    [[nodiscard]] bool is_usable(u64 at) const;
    /// Where the answer may change next, behind `at`; at most `end`.
    [[nodiscard]] u64 next_boundary(u64 at, u64 end) const;

    std::span<const MemoryDescriptor> descriptors_;
    std::span<const MemoryRange> kept_;
};

} // namespace ravelin::tboot

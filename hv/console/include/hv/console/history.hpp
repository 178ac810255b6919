// SPDX-License-Identifier: Apache-2.0
// The last bytes of a stream, by their place in the whole of it: a reader that comes late learns
// where what is left begins.
#pragma once

#include <base/types.hpp>

#include <algorithm>
#include <array>
#include <span>

namespace ravelin::hv::console {

template <usize capacity> class History {
  public:
    void append(u8 byte) { ring_[written_++ % capacity] = byte; }
    /// Copies from byte `offset` of the stream on; the count. `offset` moves to the oldest byte
    /// there is, or back to the end when it is beyond.
    [[nodiscard]] usize read(u64& offset, std::span<u8> destination) const {
        const u64 oldest = written_ > capacity ? written_ - capacity : 0;
        offset = std::clamp(offset, oldest, written_);
        const usize count = std::min<u64>(destination.size(), written_ - offset);
        for (usize i = 0; i < count; ++i)
            destination[i] = ring_[(offset + i) % capacity];
        return count;
    }
    [[nodiscard]] u64 written() const { return written_; }

  private:
    std::array<u8, capacity> ring_{};
    u64 written_{};
};

} // namespace ravelin::hv::console

// SPDX-License-Identifier: Apache-2.0
// Where hardware tables (nested page tables, VT-d tables) get their pages from, and how they are
// reached. The hypervisor backs it by its frame allocator; the tests by an array, with fault
// injection.
#pragma once

#include "base/result.hpp"
#include "base/types.hpp"

#include <span>

namespace ravelin {

enum class TableMemoryError : u8 { out_of_frames };

/// One page of a hardware table: 512 entries of 64 bits.
using TablePage = std::span<u64, 512>;

class TableMemory {
  public:
    /// A zeroed frame, 4 KiB, for a table.
    [[nodiscard]] virtual Result<HostFrame, TableMemoryError> allocate() = 0;
    /// Gives a frame of allocate() back. The caller has made sure no hardware can still walk it.
    virtual void release(HostFrame frame) = 0;
    /// The entries of a frame of allocate(). Valid until release().
    [[nodiscard]] virtual TablePage page(HostFrame frame) = 0;
    /// Where frame 0 would lie, when every frame is reached at that offset; nullptr when not. It
    /// spares page() to those who walk much.
    [[nodiscard]] virtual u64* linear() { return nullptr; }

  protected:
    ~TableMemory() = default;
};

} // namespace ravelin

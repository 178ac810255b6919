// SPDX-License-Identifier: Apache-2.0
// The only way our tables change: one atomic 64-bit store at a time, made visible to units that do
// not snoop. A unit that walks at any moment sees the old or the new word.
#pragma once

#include <base/table_memory.hpp>
#include <iommu/error.hpp>
#include <iommu/platform.hpp>

#include <atomic>

namespace ravelin::iommu {

enum class Coherency : u8 { snooped, written_back };

class TableWriter {
  public:
    constexpr TableWriter(Platform& platform, TableMemory& memory, Coherency coherency)
        : platform_{platform}, memory_{memory}, coherency_{coherency} {}

    [[nodiscard]] TableMemory& memory() const { return memory_; }

    void store(u64& entry, u64 value) const {
        std::atomic_ref<u64>{entry}.store(value, std::memory_order_release);
        write_back(&entry, sizeof(entry));
    }
    /// A zeroed table that every unit sees as zero.
    [[nodiscard]] Result<HostFrame, Error> allocate() const {
        const auto frame = memory_.allocate();
        if (!frame)
            return Failure{Error::out_of_frames};
        const TablePage page = memory_.page(frame.value());
        write_back(page.data(), page.size_bytes());
        return frame.value();
    }

  private:
    void write_back(const void* at, usize size) const {
        if (coherency_ == Coherency::written_back)
            platform_.write_back(at, size);
    }

    Platform& platform_;
    TableMemory& memory_;
    Coherency coherency_;
};

} // namespace ravelin::iommu
